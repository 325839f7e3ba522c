//! Errors of a store.

use std::path::PathBuf;
use std::time::Duration;

/// A store that cannot be reached, made or asked. No message holds a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No server was named.
    #[error("no server is named: give an address as postgres://user@host/database")]
    NoServer,
    /// An address that cannot be read. It is not repeated, because it may hold a password.
    #[error(
        "address {number} of the store cannot be read ({reason}); write postgres://user:password@host:port/database"
    )]
    Address {
        /// Which of the addresses, from 1.
        number: usize,
        /// Why not.
        reason: String,
    },
    /// A store's name that cannot be the name of a schema.
    #[error("{name:?} cannot name a store: take lower-case letters, digits and _, at most 40")]
    Name {
        /// The name.
        name: String,
    },
    /// Nothing answers at the address.
    #[error(
        "{server} cannot be reached: {}; is PostgreSQL running there?",
        root(source)
    )]
    Unreachable {
        /// The server.
        server: String,
        /// Error of the connection.
        source: tokio_postgres::Error,
    },
    /// The server takes no encrypted connections, and its address asks for one.
    #[error(
        "{server} takes no encrypted connections: set ssl = on in its postgresql.conf, or write sslmode=disable"
    )]
    Unencrypted {
        /// The server.
        server: String,
        /// Error of the connection.
        source: tokio_postgres::Error,
    },
    /// The server's certificate is not of an authority that its address names, or that the system knows.
    #[error(
        "{server} has a certificate of an unknown authority: write sslrootcert=FILE with the authority's certificate"
    )]
    UnknownAuthority {
        /// The server.
        server: String,
        /// Error of the connection.
        source: tokio_postgres::Error,
    },
    /// The server's certificate is for other hosts.
    #[error(
        "{server} has a certificate for {}, not for its own name",
        if names.is_empty() { "no host name".to_owned() } else { names.join(", ") }
    )]
    OtherHost {
        /// The server.
        server: String,
        /// The names in the certificate.
        names: Vec<String>,
        /// Error of the connection.
        source: tokio_postgres::Error,
    },
    /// The encryption of a connection cannot begin for another reason, as a certificate that has expired.
    #[error("{server} cannot be reached with encryption: {}", root(source))]
    Handshake {
        /// The server.
        server: String,
        /// Error of the connection.
        source: tokio_postgres::Error,
    },
    /// Encryption cannot be set up, as where the system has no authorities.
    #[error(
        "encryption cannot be set up: {source}; write sslrootcert=FILE with the authority's certificate"
    )]
    Encryption {
        /// Why not.
        source: rustls::Error,
    },
    /// The certificates of an address's authorities cannot be read.
    #[error(
        "{}: the certificates of sslrootcert cannot be read: {source}; it must be a file in PEM",
        path.display()
    )]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Error of the file or of what is in it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A connection that broke.
    #[error("the connection to {server} broke: {}", root(source))]
    Broken {
        /// The server.
        server: String,
        /// Error of the connection.
        source: tokio_postgres::Error,
    },
    /// The server refused the user or the password.
    #[error(
        "{server} refused the login: {}; check user and password of its address",
        root(source)
    )]
    Login {
        /// The server.
        server: String,
        /// The server's answer.
        source: tokio_postgres::Error,
    },
    /// The database does not exist.
    #[error("{server} has no such database: {}", root(source))]
    NoDatabase {
        /// The server.
        server: String,
        /// The server's answer.
        source: tokio_postgres::Error,
    },
    /// The server has no pgvector, or the user may not create the extension.
    #[error(
        "{server} cannot create the extension \"vector\": {}; install pgvector 0.8 or newer there",
        root(source)
    )]
    NoExtension {
        /// The server.
        server: String,
        /// The server's answer.
        source: tokio_postgres::Error,
    },
    /// A pgvector without iterative scans.
    #[error("{server} has pgvector {version}, which is too old: 0.8 or newer is needed")]
    OldExtension {
        /// The server.
        server: String,
        /// Its version of pgvector.
        version: String,
    },
    /// The server did not answer in time.
    #[error("{server} did not answer within {} s", limit.as_secs_f64())]
    Silent {
        /// The server.
        server: String,
        /// The limit.
        limit: Duration,
    },
    /// The server refused a statement.
    #[error("{server}, {action}: {}", root(source))]
    Database {
        /// The server.
        server: String,
        /// What was being done.
        action: &'static str,
        /// The server's answer.
        source: tokio_postgres::Error,
    },
    /// The connections of a server are all in use, or could not be set up.
    #[error("{server}: {reason}")]
    Pool {
        /// The server.
        server: String,
        /// Why none was to be had.
        reason: String,
    },
    /// There is no store of that name.
    #[error("{server} holds no store {name:?}: load one first")]
    NoStore {
        /// The server.
        server: String,
        /// The name of the store.
        name: String,
    },
    /// A store that a newer version wrote.
    #[error(
        "{server}: the store {name:?} has format {format}, and this version reads format {known}"
    )]
    Format {
        /// The server.
        server: String,
        /// The name of the store.
        name: String,
        /// Its format.
        format: i32,
        /// The format of this version.
        known: i32,
    },
    /// Settings of a store that cannot be read.
    #[error("{server}: the settings of the store {name:?} cannot be read: {source}")]
    Stored {
        /// The server.
        server: String,
        /// The name of the store.
        name: String,
        /// What is wrong with them.
        source: serde_json::Error,
    },
    /// Settings that no store can have.
    #[error("{reason}")]
    Settings {
        /// What is wrong.
        reason: String,
    },
    /// The store was made with other settings.
    #[error("the store {name:?} on {server} was made with another {field}: {found}, not {given}")]
    OtherSettings {
        /// The server.
        server: String,
        /// The name of the store.
        name: String,
        /// Which setting differs.
        field: &'static str,
        /// The store's.
        found: String,
        /// The one given.
        given: String,
    },
    /// Vectors of another model.
    #[error(
        "the store holds vectors of {model} ({field} {value}), which cannot be compared with those of \
         {given_model} ({field} {given})"
    )]
    OtherModel {
        /// What differs first.
        field: &'static str,
        /// The store's model.
        model: String,
        /// Its value.
        value: String,
        /// The other model.
        given_model: String,
        /// Its value.
        given: String,
    },
    /// Addresses in another number or order than at the creation.
    #[error(
        "{server} holds part {found} of {found_of} of the store, and it is named as part {number} of {of}: \
         name all servers in the order of the first load"
    )]
    Shard {
        /// The server.
        server: String,
        /// The part that it holds, from 1.
        found: usize,
        /// How many parts the store has.
        found_of: usize,
        /// The part as which it was named, from 1.
        number: usize,
        /// How many servers were named.
        of: usize,
    },
    /// Parts of different stores.
    #[error("{server} and {first} hold parts of different stores: load both again")]
    Mixed {
        /// The server.
        server: String,
        /// The first server.
        first: String,
    },
    /// The store was replaced while it was open.
    #[error("the store on {server} was replaced: open it again")]
    Replaced {
        /// The server.
        server: String,
    },
    /// A store whose load has not ended cannot take the place of another one.
    #[error("the load of the store {name:?} on {server} has not ended: run it again to its end")]
    Unfinished {
        /// The server.
        server: String,
        /// The name of the store.
        name: String,
    },
    /// A store would take its own place.
    #[error("the store has the name {name:?} already")]
    SameName {
        /// The name.
        name: String,
    },
    /// Words cannot be searched yet.
    #[error("the words of the store on {server} were not counted yet: finish the load first")]
    NotBuilt {
        /// The server.
        server: String,
    },
    /// A vector of another width.
    #[error("the vector {of} has width {found}, and those of the store have {expected}")]
    Width {
        /// Whose.
        of: String,
        /// The store's width.
        expected: usize,
        /// Its own.
        found: usize,
    },
    /// A NaN, an infinity, or a number beyond a half-precision one's range.
    #[error(
        "the vector {of} holds {value} in column {column}: the store takes numbers from -65504 to 65504"
    )]
    Range {
        /// Whose.
        of: String,
        /// The column, from 0.
        column: usize,
        /// The number.
        value: f32,
    },
    /// A row that does not fit the settings.
    #[error("the row {id:?} {reason}")]
    Row {
        /// Its id.
        id: String,
        /// What is wrong.
        reason: String,
    },
    /// A filter, a facet or an order that names no column of the store, or another kind of value.
    #[error("{reason}")]
    Query {
        /// What is wrong.
        reason: String,
    },
    /// The runtime of the connections could not be set up.
    #[error("the connections cannot be set up: {source}")]
    Runtime {
        /// Error of the operating system.
        source: std::io::Error,
    },
}

impl StoreError {
    /// Whether a shard is down, so that a partial answer may leave it out.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Broken { .. }
                | Self::Silent { .. }
                | Self::Pool { .. }
        )
    }
}

/// The innermost reason, which says most: tokio-postgres says only "db error".
pub(crate) fn root(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return error.message().to_owned();
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
