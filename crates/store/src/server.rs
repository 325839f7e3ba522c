//! One server: its address, its connections, and what it must be able to do.

use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType,
};
use tokio_postgres::Config;
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;

use crate::encryption::Encryption;
use crate::error::StoreError;
use crate::options::Options;
use crate::schema::Schema;

/// Connections to a server that are open at once, at most: one for each question that is being answered.
const CONNECTIONS: usize = 16;

/// A server, and its connections.
pub(crate) struct Server {
    /// Host, port and database, for messages.
    pub(crate) name: String,
    pub(crate) limit: Duration,
    connect_limit: Duration,
    pool: Pool,
}

impl Server {
    /// Reads an address, the `number`th from 1; connects to nothing yet.
    pub(crate) fn new(number: usize, address: &str, options: &Options) -> Result<Self, StoreError> {
        let unreadable = |reason: String| StoreError::Address { number, reason };
        let begins = ["postgres://", "postgresql://"];
        if !begins.iter().any(|begin| address.trim().starts_with(begin)) {
            return Err(unreadable("it does not begin with postgres://".to_owned()));
        }
        let (address, encryption) = Encryption::split(address.trim()).map_err(unreadable)?;
        let mut config: Config = address.parse().map_err(|error: tokio_postgres::Error| {
            unreadable(match std::error::Error::source(&error) {
                Some(source) => source.to_string(),
                None => error.to_string(),
            })
        })?;
        let name = name(&config);
        // What follows an unescaped `@` of a password would be taken for the host, and be shown in errors.
        if name.contains('@') {
            return Err(unreadable("write an @ within a password as %40".to_owned()));
        }
        if config.get_hosts().is_empty() {
            return Err(unreadable("it names no host".to_owned()));
        }
        if config.get_user().is_none() {
            return Err(unreadable("it names no user".to_owned()));
        }
        // A password in the environment is in no list of processes, as one in an address is.
        if config.get_password().is_none()
            && let Some(password) = std::env::var_os("PGPASSWORD")
        {
            config.password(password.as_encoded_bytes());
        }
        config.connect_timeout(options.connect_timeout);
        config.application_name("mpnet-burn");
        config.ssl_mode(encryption.mode());
        // A server that vanished is noticed although nothing is sent.
        config.keepalives_idle(Duration::from_secs(30));
        let manager = Manager::from_config(
            config,
            encryption.connector()?,
            ManagerConfig {
                // A server may have been restarted since the last question.
                recycling_method: RecyclingMethod::Verified,
            },
        );
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(options.answer_timeout))
            .create_timeout(Some(options.connect_timeout))
            .recycle_timeout(Some(options.connect_timeout))
            .build()
            .map_err(|error| unreadable(error.to_string()))?;
        Ok(Self {
            name,
            limit: options.answer_timeout,
            connect_limit: options.connect_timeout,
            pool,
        })
    }

    /// A connection that works.
    pub(crate) async fn connection(&self) -> Result<Object, StoreError> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(source) => StoreError::of_connecting(&self.name, source),
            PoolError::Timeout(TimeoutType::Wait) => StoreError::Pool {
                server: self.name.clone(),
                reason: format!("its {CONNECTIONS} connections were all in use"),
            },
            PoolError::Timeout(_) => StoreError::Silent {
                server: self.name.clone(),
                limit: self.connect_limit,
            },
            error => StoreError::Pool {
                server: self.name.clone(),
                reason: error.to_string(),
            },
        })
    }

    /// What an error of this server means.
    pub(crate) fn error(
        &self,
        action: &'static str,
    ) -> impl Fn(tokio_postgres::Error) -> StoreError + '_ {
        move |source| StoreError::of(&self.name, action, self.limit, source)
    }

    /// Fails where the server does not answer within the limit. The server stops by itself a little earlier, unless
    /// it is the network or the whole machine that is silent.
    pub(crate) async fn within_limit<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(self.limit, work).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Silent {
                server: self.name.clone(),
                limit: self.limit,
            }),
        }
    }

    /// Fails where a load has not ended, or nothing was loaded: words are counted at the end of one.
    pub(crate) async fn require_whole(&self, schema: &Schema) -> Result<(), StoreError> {
        let statement = format!(
            "SELECT documents IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {}) FROM {}",
            schema.table("journal"),
            schema.table("settings"),
        );
        let connection = self.connection().await?;
        let row = connection.query_one(&statement, &[]).await;
        let whole: bool = row
            .and_then(|row| row.try_get(0))
            .map_err(self.error("asking for the state of the load"))?;
        if whole {
            return Ok(());
        }
        Err(StoreError::Unfinished {
            server: self.name.clone(),
            name: schema.name.clone(),
        })
    }

    /// Creates the extension `vector` where it is missing, and checks its version.
    pub(crate) async fn require_pgvector(&self) -> Result<(), StoreError> {
        let connection = self.connection().await?;
        let version = "SELECT extversion FROM pg_extension WHERE extname = 'vector'";
        let action = "asking for pgvector";
        let mut row = connection
            .query_opt(version, &[])
            .await
            .map_err(self.error(action))?;
        if row.is_none() {
            let created = connection
                .batch_execute("CREATE EXTENSION IF NOT EXISTS vector")
                .await;
            match created {
                Ok(()) => {}
                // Two programs at once: the other one did it.
                Err(source)
                    if matches!(
                        source.code(),
                        Some(&SqlState::UNIQUE_VIOLATION | &SqlState::DUPLICATE_OBJECT)
                    ) => {}
                Err(source) if source.code().is_none() => return Err(self.error(action)(source)),
                Err(source) => {
                    return Err(StoreError::NoExtension {
                        server: self.name.clone(),
                        source,
                    });
                }
            }
            row = connection
                .query_opt(version, &[])
                .await
                .map_err(self.error(action))?;
        }
        let found: String = match row {
            Some(row) => row.try_get(0).map_err(self.error(action))?,
            None => String::new(),
        };
        let mut numbers = found
            .split('.')
            .map(|part| part.parse::<u32>().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if !found.is_empty() && version < (0, 8) {
            return Err(StoreError::OldExtension {
                server: self.name.clone(),
                version: found,
            });
        }
        Ok(())
    }
}

/// Host, port and database: what tells servers apart and is no secret.
fn name(config: &Config) -> String {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(index, host)| {
            let host = match host {
                Host::Tcp(name) => name.clone(),
                #[cfg(unix)]
                Host::Unix(path) => path.display().to_string(),
            };
            let ports = config.get_ports();
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            format!("{host}:{port}")
        })
        .collect();
    let database = config.get_dbname().or(config.get_user()).unwrap_or("");
    format!("{}/{database}", hosts.join(","))
}
