//! One sentence for everything that goes wrong, and no password in any.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use search::filter::{Comparison, Filter, Value};
use search::index::ModelFingerprint;
use search::{Mode, Query, Similarity, Sort};
use store::{Options, PostgresStore, StoreError};

use crate::cluster::{PASSWORD, Server, addresses, three, without_pgvector};
use crate::data::{loaded, options, settings, shop, vector_of, vectors_of};

fn message<T>(result: Result<T, StoreError>) -> String {
    let error = result.err().expect("an error");
    // Neither the sentence nor what a program may print besides it.
    let mut all = format!("{error} {error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        all += &format!(" {error} {error:?}");
        source = error.source();
    }
    for secret in [PASSWORD, "p%40ss%20word", "wrong-password", "ss%20word"] {
        assert!(!all.contains(secret), "{all}");
    }
    assert!(!error.to_string().contains('\n'));
    error.to_string()
}

fn quick(name: &str) -> Options {
    Options {
        connect_timeout: Duration::from_millis(500),
        answer_timeout: Duration::from_secs(1),
        ..options(name)
    }
}

#[test]
fn servers_that_cannot_be_used() {
    let server = &three()[0];
    let port = server.port;
    let settings = settings(4, Similarity::Cosine);
    let create = |address: String| {
        message(PostgresStore::create(
            &[address],
            quick("errors"),
            &settings,
        ))
    };

    let closed = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("its number")
        .port();
    assert_eq!(
        create(format!(
            "postgres://shop:{}@127.0.0.1:{closed}/postgres",
            "p%40ss%20word"
        )),
        format!(
            "127.0.0.1:{closed}/postgres cannot be reached: Connection refused (os error 111); is PostgreSQL running \
             there?"
        )
    );
    assert_eq!(
        create(server.address_with("shop", "wrong-password", "postgres")),
        format!(
            "127.0.0.1:{port}/postgres refused the login: password authentication failed for user \"shop\"; check user \
             and password of its address"
        )
    );
    assert_eq!(
        create(server.address_with("shop", PASSWORD, "nothing")),
        format!(
            "127.0.0.1:{port}/nothing has no such database: database \"nothing\" does not exist"
        )
    );
    // The password's @ is not escaped: what follows it is no host.
    assert_eq!(
        create(format!(
            "postgres://shop:p@ss%20word@127.0.0.1:{port}/postgres"
        )),
        "address 1 of the store cannot be read (write an @ within a password as %40); write \
         postgres://user:password@host:port/database"
    );
    assert_eq!(
        create("mysql://shop:wrong-password@host/shop".to_owned()),
        "address 1 of the store cannot be read (it does not begin with postgres://); write \
         postgres://user:password@host:port/database"
    );
    assert_eq!(
        message(PostgresStore::open(&[server.address()], quick("none"))),
        format!("127.0.0.1:{port}/postgres holds no store \"none\": load one first")
    );
    assert_eq!(
        message(PostgresStore::open::<String>(&[], quick("none"))),
        "no server is named: give an address as postgres://user@host/database"
    );
    assert_eq!(
        message(PostgresStore::open(&[server.address()], quick("No Name"))),
        "\"No Name\" cannot name a store: take lower-case letters, digits and _, at most 40"
    );
}

#[test]
fn a_server_without_pgvector() {
    let server = without_pgvector();
    assert_eq!(
        message(PostgresStore::create(
            &[server.address()],
            quick("shop"),
            &settings(4, Similarity::Cosine)
        )),
        format!(
            "127.0.0.1:{}/postgres cannot create the extension \"vector\": extension \"vector\" is not available; \
             install pgvector 0.8 or newer there",
            server.port
        )
    );
}

#[test]
fn a_silent_server() {
    // Takes connections, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("its number").port();
    let begin = Instant::now();
    let address = format!("postgres://shop:p%40ss%20word@127.0.0.1:{port}/shop");
    assert_eq!(
        message(PostgresStore::open(&[address], quick("shop"))),
        format!("127.0.0.1:{port}/shop did not answer within 0.5 s")
    );
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn another_model_and_other_settings() {
    let servers = addresses(three());
    let given = settings(4, Similarity::Cosine);
    let store = PostgresStore::create(&servers, options("other"), &given).expect("a store");
    let mut model = ModelFingerprint {
        name: "b/model".to_owned(),
        ..given.model.clone()
    };
    // Another name of the same files is the same model.
    store.check_model(&model).expect("the same");
    model.identity = "5678".to_owned();
    assert_eq!(
        message(store.check_model(&model)),
        "the store holds vectors of a/model (files 1234), which cannot be compared with those of b/model (files 5678)"
    );
    let mut other = given.clone();
    other.model = model;
    assert_eq!(
        message(PostgresStore::create(&servers, options("other"), &other)),
        "the store holds vectors of a/model (files 1234), which cannot be compared with those of b/model (files 5678)"
    );
    let first = format!("127.0.0.1:{}/postgres", three()[0].port);
    assert_eq!(
        message(PostgresStore::create(
            &servers,
            options("other"),
            &settings(5, Similarity::Cosine)
        )),
        format!("the store \"other\" on {first} was made with another width: 4, not 5")
    );
    // In another order the hash would look for rows where they are not.
    let turned: Vec<&String> = servers.iter().rev().collect();
    assert_eq!(
        message(PostgresStore::open(&turned, options("other"))),
        format!(
            "127.0.0.1:{}/postgres holds part 3 of 3 of the store, and it is named as part 1 of 3: name all servers in \
             the order of the first load",
            three()[2].port
        )
    );
    assert!(matches!(
        PostgresStore::open(&servers[..2], options("other")),
        Err(StoreError::Shard { .. })
    ));
}

#[test]
fn questions_and_rows_that_do_not_fit() {
    let documents = shop(20);
    let vectors = vectors_of(&documents, 4);
    let servers = addresses(three());
    let settings = settings(4, Similarity::Cosine);
    let store = loaded(
        &servers,
        options("misfits"),
        &settings,
        &documents,
        &vectors,
    );
    let ask = |query: Query| message(store.answer(&query));
    let nearest = Query {
        vector: vectors[0].clone(),
        mode: Mode::Meaning,
        k: 3,
        ..Query::default()
    };
    assert_eq!(
        ask(Query {
            vector: vec![1.0; 3],
            ..nearest.clone()
        }),
        "the vector of the question has width 3, and those of the store have 4"
    );
    assert_eq!(
        ask(Query {
            vector: vec![f32::NAN; 4],
            ..nearest.clone()
        }),
        "the vector of the question holds NaN in column 0: the store takes numbers from -65504 to 65504"
    );
    let filter = Filter::Compare {
        column: "price".to_owned(),
        comparison: Comparison::Less,
        value: Value::Text("cheap".to_owned()),
    };
    assert_eq!(
        ask(Query {
            filter: Some(filter),
            ..nearest.clone()
        }),
        "column `price` is of kind number and is compared with another kind"
    );
    let unknown = "there is no filter column `colour`: the store has `brand`, `price`, `stock`, `since`, `sku`";
    assert_eq!(
        ask(Query {
            facets: vec!["colour".to_owned()],
            ..nearest.clone()
        }),
        unknown
    );
    let sort = Sort {
        column: "colour".to_owned(),
        descending: false,
    };
    assert_eq!(
        ask(Query {
            sort: Some(sort),
            ..nearest.clone()
        }),
        unknown
    );

    let mut load = store.load("misfits").expect("a load");
    let mut row = documents[0].clone();
    row.id = "a\0b".to_owned();
    assert_eq!(
        message(load.write(0, &[row.clone()], &vectors[..1])),
        "the row \"a\\0b\" has an id that a store does not take: 1 to 1000 bytes, none of them 0"
    );
    row.id = "a".to_owned();
    row.values[1] = Some(Value::Boolean(true));
    assert_eq!(
        message(load.write(0, &[row.clone()], &vectors[..1])),
        "the row \"a\" has no number in column `price`"
    );
    row.values.pop();
    assert_eq!(
        message(load.write(0, &[row], &vectors[..1])),
        "the row \"a\" has 4 values, and the store has 5 filter columns"
    );
}

#[test]
fn a_shard_that_is_down() {
    let servers = [Server::start(), Server::start(), Server::start()];
    let named = addresses(&servers);
    let documents = shop(300);
    let vectors = vectors_of(&documents, 8);
    let settings = settings(8, Similarity::Cosine);
    let store = loaded(&named, quick("shop"), &settings, &documents, &vectors);
    let partial = Options {
        partial: true,
        ..quick("shop")
    };
    let partly = PostgresStore::open(&named, partial.clone()).expect("a store");
    let query = Query {
        vector: vector_of("mouse", 8),
        text: "mouse".to_owned(),
        k: 300,
        ..Query::default()
    };
    let all = store.answer(&query).expect("an answer").hits.len();
    assert_eq!(all, 300);

    servers[1].kill();
    let down = format!("127.0.0.1:{}/postgres", servers[1].port);
    assert_eq!(
        message(store.answer(&query)),
        format!(
            "{down} cannot be reached: Connection refused (os error 111); is PostgreSQL running there?"
        )
    );
    let answer = partly.answer(&query).expect("a partial answer");
    assert_eq!(answer.missing, [down]);
    assert!(
        answer.hits.len() < all && answer.hits.len() > all / 2,
        "{}",
        answer.hits.len()
    );
    // One that is down when the store is opened.
    let reopened = PostgresStore::open(&named, partial.clone()).expect("a store");
    assert_eq!(reopened.answer(&query).expect("a partial answer"), answer);

    // It is back: nothing need be opened again.
    servers[1].restart();
    assert_eq!(store.answer(&query).expect("an answer").hits.len(), all);
    let answer = partly.answer(&query).expect("an answer");
    assert_eq!((answer.missing.len(), answer.hits.len()), (0, all));

    for server in &servers {
        server.stop();
    }
    assert!(message(partly.answer(&query)).contains("cannot be reached"));
    assert!(message(PostgresStore::open(&named, partial)).contains("cannot be reached"));
}
