//! Loads that are interrupted.
