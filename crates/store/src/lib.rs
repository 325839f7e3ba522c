//! A catalogue in PostgreSQL with pgvector, on one server or sharded over several.
