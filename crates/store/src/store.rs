//! A store: made, opened, and what it is.

use futures_util::future::{join_all, try_join_all};
use search::words::Analyzer;
use tokio::runtime::Runtime;
use tokio_postgres::types::Json;

use crate::error::StoreError;
use crate::options::Options;
use crate::schema::{FORMAT, Schema};
use crate::server::Server;
use crate::stored_settings::{StoredSettings, check, check_equal, check_model};
use search::index::{ModelFingerprint, Settings};

/// A catalogue in PostgreSQL with pgvector: on one server, or on several, each of which holds the rows whose
/// [hash](crate::shard_of) says so.
///
/// Calls block; several threads may ask at once. It may not be used within an asynchronous runtime.
pub struct PostgresStore {
    /// None only while it is dropped.
    runtime: Option<Runtime>,
    addresses: Vec<String>,
    pub(crate) servers: Vec<Server>,
    pub(crate) schema: Schema,
    pub(crate) settings: Settings,
    pub(crate) analyzer: Analyzer,
    /// Differs from that of every other store, a later one of the same name included.
    pub(crate) generation: String,
    pub(crate) options: Options,
}

/// What a server says of its part.
pub(crate) struct Part {
    settings: Settings,
    pub(crate) generation: String,
    shard: usize,
    shards: usize,
}

impl PostgresStore {
    /// Makes a store on all servers, and pgvector's extension where it is missing. Opens it where all or some of them
    /// hold it already.
    ///
    /// # Errors
    ///
    /// Fails for settings that no store can have, for servers that cannot be reached or lack pgvector, and where there
    /// is a store of that name with other settings.
    pub fn create<A: AsRef<str>>(
        addresses: &[A],
        options: Options,
        settings: &Settings,
    ) -> Result<Self, StoreError> {
        check(settings)?;
        let (runtime, servers, schema) = connect(addresses, &options)?;
        let generation = runtime.block_on(create(&servers, &schema, settings))?;
        Ok(Self {
            runtime: Some(runtime),
            addresses: owned(addresses),
            servers,
            schema,
            settings: settings.clone(),
            analyzer: Analyzer::new(settings.language),
            generation,
            options,
        })
    }

    /// Opens a store.
    ///
    /// # Errors
    ///
    /// Fails for servers that cannot be reached, without the store or with another one, and for addresses in another
    /// number or order than at its creation.
    pub fn open<A: AsRef<str>>(addresses: &[A], options: Options) -> Result<Self, StoreError> {
        let (runtime, servers, schema) = connect(addresses, &options)?;
        let (settings, generation) = runtime.block_on(open(&servers, &schema, options.partial))?;
        Ok(Self {
            runtime: Some(runtime),
            addresses: owned(addresses),
            servers,
            schema,
            analyzer: Analyzer::new(settings.language),
            settings,
            generation,
            options,
        })
    }

    /// The store that has its name now, if that is another one: it was [renamed](Self::rename), or deleted and made again.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::open`] does, for a store of another model, and while a load of the new store has not ended.
    pub fn refreshed(&self) -> Result<Option<Self>, StoreError> {
        let (servers, schema, partial) = (&self.servers, &self.schema, self.options.partial);
        let (settings, generation) = self.wait_for(open(servers, schema, partial))?;
        if generation == self.generation {
            return Ok(None);
        }
        self.check_model(&settings.model)?;
        self.wait_for(require_whole(servers, schema, partial))?;
        let newer = Self::open(&self.addresses, self.options.clone())?;
        // One that came in between was not looked at: the next call does that.
        Ok((newer.generation == generation).then_some(newer))
    }

    /// Removes a store from all servers where it is.
    ///
    /// # Errors
    ///
    /// Fails for servers that cannot be reached or do not allow it.
    pub fn delete<A: AsRef<str>>(addresses: &[A], options: Options) -> Result<(), StoreError> {
        let (runtime, servers, schema) = connect(addresses, &options)?;
        runtime.block_on(try_join_all(servers.iter().map(|server| async {
            let connection = server.connection().await?;
            connection
                .batch_execute(&format!(
                    "DROP SCHEMA IF EXISTS \"{}\" CASCADE",
                    schema.name
                ))
                .await
                .map_err(server.error("removing the store"))
        })))?;
        Ok(())
    }

    /// What it holds.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Fails where vectors of `model` cannot be compared with those of the store.
    ///
    /// # Errors
    ///
    /// [`StoreError::OtherModel`], which names the first difference.
    pub fn check_model(&self, model: &ModelFingerprint) -> Result<(), StoreError> {
        check_model(&self.settings.model, model)
    }

    /// The names of the servers: host, port and database.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        self.servers.iter().map(|server| server.name.as_str())
    }

    /// Runs to the end what the servers are asked.
    pub(crate) fn wait_for<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(work),
            None => Err(StoreError::Runtime {
                source: std::io::Error::other("the store is closed"),
            }),
        }
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        // Does not wait for connections, as dropping a runtime does.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let servers: Vec<&str> = self.servers().collect();
        f.debug_struct("PostgresStore")
            .field("servers", &servers)
            .field("schema", &self.schema)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

fn owned<A: AsRef<str>>(addresses: &[A]) -> Vec<String> {
    let addresses = addresses.iter();
    addresses
        .map(|address| address.as_ref().to_owned())
        .collect()
}

pub(crate) fn connect<A: AsRef<str>>(
    addresses: &[A],
    options: &Options,
) -> Result<(Runtime, Vec<Server>, Schema), StoreError> {
    if addresses.is_empty() {
        return Err(StoreError::NoServer);
    }
    let schema = Schema::new(&options.name)?;
    let servers = addresses
        .iter()
        .enumerate()
        .map(|(index, address)| Server::new(index + 1, address.as_ref(), options))
        .collect::<Result<Vec<_>, _>>()?;
    // A thread of its own for the connections: they are closed, and notice that a server went away, although nobody
    // is asking anything.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("store")
        .enable_all()
        .build()
        .map_err(|source| StoreError::Runtime { source })?;
    Ok((runtime, servers, schema))
}

/// The part of a store that a server holds, if it does.
pub(crate) async fn part(server: &Server, schema: &Schema) -> Result<Option<Part>, StoreError> {
    let action = "reading the settings of the store";
    let connection = server.connection().await?;
    let table = schema.table("settings");
    let there: bool = connection
        .query_one("SELECT to_regclass($1) IS NOT NULL", &[&table])
        .await
        .and_then(|row| row.try_get(0))
        .map_err(server.error(action))?;
    if !there {
        return Ok(None);
    }
    let statement =
        format!("SELECT format, settings::text, generation, shard, shards FROM {table}");
    let Some(row) = connection
        .query_opt(&statement, &[])
        .await
        .map_err(server.error(action))?
    else {
        return Ok(None);
    };
    let read = || -> Result<(i32, String, String, i32, i32), tokio_postgres::Error> {
        Ok((
            row.try_get(0)?,
            row.try_get(1)?,
            row.try_get(2)?,
            row.try_get(3)?,
            row.try_get(4)?,
        ))
    };
    let (format, settings, generation, shard, shards) = read().map_err(server.error(action))?;
    if format != FORMAT {
        return Err(StoreError::Format {
            server: server.name.clone(),
            name: schema.name.clone(),
            format,
            known: FORMAT,
        });
    }
    let settings: StoredSettings =
        serde_json::from_str(&settings).map_err(|source| StoreError::Stored {
            server: server.name.clone(),
            name: schema.name.clone(),
            source,
        })?;
    Ok(Some(Part {
        settings: settings.settings()?,
        generation,
        shard: usize::try_from(shard).unwrap_or(0),
        shards: usize::try_from(shards).unwrap_or(0),
    }))
}

/// Fails where a server holds another part than the one as which it is named.
fn check_place(server: &Server, part: &Part, index: usize, of: usize) -> Result<(), StoreError> {
    if (part.shard, part.shards) == (index, of) {
        return Ok(());
    }
    Err(StoreError::Shard {
        server: server.name.clone(),
        found: part.shard + 1,
        found_of: part.shards,
        number: index + 1,
        of,
    })
}

async fn open(
    servers: &[Server],
    schema: &Schema,
    partial: bool,
) -> Result<(Settings, String), StoreError> {
    let parts = join_all(servers.iter().map(|server| async {
        let limited = server.within_limit(part(server, schema)).await?;
        limited.ok_or_else(|| StoreError::NoStore {
            server: server.name.clone(),
            name: schema.name.clone(),
        })
    }))
    .await;
    let mut first: Option<(usize, Part)> = None;
    let mut absence = None;
    for (index, part) in parts.into_iter().enumerate() {
        let part = match part {
            Err(error) if partial && error.is_absence() => {
                absence = Some(error);
                continue;
            }
            part => part?,
        };
        check_place(&servers[index], &part, index, servers.len())?;
        match &first {
            None => first = Some((index, part)),
            Some((first, other)) if other.generation != part.generation => {
                return Err(StoreError::Mixed {
                    server: servers[index].name.clone(),
                    first: servers[*first].name.clone(),
                });
            }
            Some(_) => {}
        }
    }
    match (first, absence) {
        (Some((_, part)), _) => Ok((part.settings, part.generation)),
        (None, Some(error)) => Err(error),
        (None, None) => Err(StoreError::NoServer),
    }
}

/// Fails while a load has not ended on a server.
async fn require_whole(
    servers: &[Server],
    schema: &Schema,
    partial: bool,
) -> Result<(), StoreError> {
    let servers = servers.iter();
    let asked = servers.map(|server| server.within_limit(server.require_whole(schema)));
    for whole in join_all(asked).await {
        match whole {
            Err(error) if partial && error.is_absence() => {}
            whole => whole?,
        }
    }
    Ok(())
}

async fn create(
    servers: &[Server],
    schema: &Schema,
    settings: &Settings,
) -> Result<String, StoreError> {
    let action = "making the tables";
    let parts = try_join_all(servers.iter().map(|server| async {
        server.require_pgvector().await?;
        part(server, schema).await
    }))
    .await?;
    let mut generation: Option<(usize, String)> = None;
    for (index, part) in parts.iter().enumerate() {
        let Some(part) = part else { continue };
        let server = &servers[index];
        check_place(server, part, index, servers.len())?;
        check_equal(&server.name, &schema.name, &part.settings, settings)?;
        match &generation {
            None => generation = Some((index, part.generation.clone())),
            Some((first, generation)) if *generation != part.generation => {
                return Err(StoreError::Mixed {
                    server: server.name.clone(),
                    first: servers[*first].name.clone(),
                });
            }
            Some(_) => {}
        }
    }
    let generation = match generation {
        Some((_, generation)) => generation,
        None => {
            let server = &servers[0];
            let connection = server.connection().await?;
            let row = connection
                .query_one("SELECT gen_random_uuid()::text", &[])
                .await;
            row.and_then(|row| row.try_get(0))
                .map_err(server.error(action))?
        }
    };
    let missing = (0..servers.len()).filter(|&index| parts[index].is_none());
    try_join_all(missing.map(|index| {
        let (server, generation) = (&servers[index], &generation);
        async move {
            let mut connection = server.connection().await?;
            let made = async {
                let transaction = connection.transaction().await?;
                transaction.batch_execute(&schema.tables(settings)).await?;
                let insert = format!(
                    "INSERT INTO {} (format, settings, generation, shard, shards) VALUES ($1, $2, $3, $4, $5)",
                    schema.table("settings")
                );
                // Both fit: nobody has a billion servers.
                let (shard, shards) = (index as i32, servers.len() as i32);
                let stored = Json(StoredSettings::of(settings));
                transaction
                    .execute(&insert, &[&FORMAT, &stored, generation, &shard, &shards])
                    .await?;
                transaction.commit().await
            };
            made.await.map_err(server.error(action))
        }
    }))
    .await?;
    Ok(generation)
}
