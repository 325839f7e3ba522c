//! The options of a store in PostgreSQL.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::IdsArgs;

/// The name of a store, unless another is given.
pub(super) const DEFAULT_STORE: &str = "catalogue";

/// The commands of `store`.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Load an index into PostgreSQL with pgvector, on one server or several.
    #[command(after_help = "\
Examples:
  infer store load --index products.index --store postgres://shop@localhost/shop
  infer store load --index products.index --store postgres://shop@one/shop,postgres://shop@two/shop
  infer search \"steel bottle\" --store postgres://shop@one/shop,postgres://shop@two/shop

Rows go to the servers by a hash of their ids. After an interruption, the same command continues. Give the password in
the address, or as PGPASSWORD.")]
    Load(LoadArgs),
    /// Remove rows by their ids.
    Remove(StoreRemoveArgs),
    /// Show what a store holds.
    Info(StoreInfoArgs),
    /// Give a store the name of another one, which is removed.
    #[command(after_help = "\
Examples:
  infer store load --index tuned.index --store postgres://shop@localhost/shop --store-name next
  infer store rename --store postgres://shop@localhost/shop --store-name next --to catalogue

A new model takes the place of the old one in this way, when all its vectors are there.
After an interruption, the same command continues.")]
    Rename(RenameArgs),
}

/// The servers of a store.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// Use PostgreSQL on these servers, as postgres://user@host/database.
    #[arg(long, value_name = "URL,...", value_delimiter = ',', required = true)]
    pub store: Vec<String>,
    /// Use the store of this name.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_STORE)]
    pub store_name: String,
}

/// Arguments of `store load`.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// Load the rows of the index in this folder.
    #[arg(long, value_name = "DIR")]
    pub index: PathBuf,
    /// The servers.
    #[command(flatten)]
    pub servers: StoreArgs,
    /// Let each server use this much memory, in MB, for building its HNSW index.
    #[arg(long, value_name = "MB", default_value_t = 512)]
    pub build_memory: u32,
}

/// Arguments of `store remove`.
#[derive(Debug, Args)]
pub struct StoreRemoveArgs {
    /// The rows.
    #[command(flatten)]
    pub rows: IdsArgs,
    /// The servers.
    #[command(flatten)]
    pub servers: StoreArgs,
}

/// Arguments of `store info`.
#[derive(Debug, Args)]
pub struct StoreInfoArgs {
    /// The servers.
    #[command(flatten)]
    pub servers: StoreArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `store rename`.
#[derive(Debug, Args)]
pub struct RenameArgs {
    /// The servers.
    #[command(flatten)]
    pub servers: StoreArgs,
    /// Give the store this name, and remove the one that has it.
    #[arg(long, value_name = "NAME")]
    pub to: String,
}
