//! The service under load.
//!
//! Requests arrive at random moments (a Poisson process), whatever became of the earlier ones, and a latency counts from
//! the moment at which its request was due: a client that waits for an answer before it asks again would hide how long
//! others wait. Four fifths of the requests are one query, three twentieths are 32 titles, one twentieth 32
//! descriptions.

mod client;
mod queue;
mod report;
mod requests;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::task::JoinSet;

use crate::error::BenchmarkError;
use crate::{in_repository, note, print_json, statistics};
use client::{Client, Outcome};
use report::{Capacity, Report};
use requests::{Class, Mix, Random};

/// Workers that find out how much the service can do.
const WORKERS: usize = 32;

/// Requests at a time, above which the generator itself would be measured.
const MOST_REQUESTS: usize = 20_000;

/// Queries per second that leave the service idle between two of them.
const UNLOADED_RATE: f64 = 2.0;

/// Texts of a request of bulk work.
const BULK_TEXTS: usize = 1024;

/// Queries per second beside it.
const BESIDE_BULK_RATE: f64 = 5.0;

/// Seconds after which a look tells whether the bulk work is done.
const PART: Duration = Duration::from_secs(10);

/// Time that tells what the service can do.
const MEASURED: Duration = Duration::from_secs(60);

/// The share of what the service can do at which it is stopped.
const STOP_FACTOR: f64 = 0.9;

/// Queries that tell the service time of one.
const SINGLE_QUERIES: usize = 50;

/// Arguments of `load`.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// Ask the service at this address.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Ask for N seconds at each rate.
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Ask at these multiples of what the service can do.
    #[arg(long, value_delimiter = ',', default_value = "0.5,0.9,2,10")]
    rates: Vec<f64>,
    /// The folder of queries.txt, titles.txt and descriptions.txt [default: datasets/bench].
    #[arg(long, value_name = "DIR")]
    texts: Option<PathBuf>,
    /// Ask in the form of OpenAI, at `/v1/embeddings`, which other services have too.
    #[arg(long)]
    openai: bool,
    /// Time single queries until a client has embedded this file of texts, instead of the rates.
    #[arg(long, value_name = "FILE")]
    bulk: Option<PathBuf>,
    /// End the service of this process with SIGTERM while it is asked, instead of the rates: no accepted request may fail.
    #[arg(long, value_name = "PID", conflicts_with = "bulk")]
    stop: Option<u32>,
    /// Fail if a figure breaks its limit.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &LoadArgs, out: &mut impl Write) -> Result<(), BenchmarkError> {
    let folder = args
        .texts
        .clone()
        .unwrap_or_else(|| in_repository("datasets/bench"));
    let mix = Arc::new(Mix::read(&folder)?);
    let bulk = args.bulk.as_deref().map(requests::lines).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(BenchmarkError::Runtime)?;
    runtime.block_on(async {
        let client = Client::new(&args.url, args.openai)?;
        let time = Duration::from_secs(args.seconds);
        let measured = time.min(MEASURED);
        let unloaded = arrivals(&client, &mix, UNLOADED_RATE, measured, Some(Class::Query)).await;
        let unloaded = Report::new("unloaded", UNLOADED_RATE, &unloaded, measured);
        print_json(&unloaded, out)?;
        let mut broken = Vec::new();
        if let Some(texts) = bulk {
            let report = beside_bulk(&client, &mix, texts).await;
            print_json(&report, out)?;
            broken.extend(report.broken_limits());
        } else if let Some(process) = args.stop {
            let load = Load::measure(&client, &mix, measured, unloaded.p99_of_queries()).await?;
            let rate = load.capacity * STOP_FACTOR;
            let (asked, stopped) = tokio::join!(
                arrivals(&client, &mix, rate, time, None),
                stop(process, time / 2)
            );
            stopped?;
            let mut report = Report::new("stopped", rate, &asked, time);
            report.is_stopped = true;
            print_json(&report, out)?;
            broken.extend(report.broken_limits());
        } else {
            let load = Load::measure(&client, &mix, measured, unloaded.p99_of_queries()).await?;
            for factor in &args.rates {
                let report = load.at(*factor, &client, &mix, time).await;
                print_json(&report, out)?;
                broken.extend(report.broken_limits());
            }
        }
        if args.check && !broken.is_empty() {
            return Err(BenchmarkError::Limits(broken));
        }
        Ok(())
    })
}

/// Ends a process in order.
async fn stop(process: u32, wait: Duration) -> Result<(), BenchmarkError> {
    tokio::time::sleep(wait).await;
    let mut command = std::process::Command::new("kill");
    let status = command.arg("-TERM").arg(process.to_string()).status();
    match status.map_err(BenchmarkError::NotStarted)? {
        status if status.success() => Ok(()),
        _ => Err(BenchmarkError::NotStopped(process)),
    }
}

/// What the service can do.
struct Load {
    /// Milliseconds, where a query finds the service idle.
    unloaded: f64,
    /// Requests per second of the mix.
    capacity: f64,
    /// Tokens per second at that rate.
    tokens: f64,
    /// Seconds of a query, where it finds the service idle.
    query_seconds: f64,
}

impl Load {
    async fn measure(
        client: &Client,
        mix: &Arc<Mix>,
        time: Duration,
        unloaded: f64,
    ) -> Result<Self, BenchmarkError> {
        let query_seconds = query_seconds(client, mix).await;
        let (tokens, begin) = (client.tokens().await, Instant::now());
        let (answered, failed) = keep_busy(client, mix, time).await;
        let seconds = begin.elapsed().as_secs_f64();
        if answered == 0 || failed > 0 {
            return Err(BenchmarkError::Unanswered { answered, failed });
        }
        let capacity = f64::from(answered) / seconds;
        let tokens = (client.tokens().await - tokens) / seconds;
        note(format_args!(
            "the service answers {capacity:.1} requests/s of the mix, {tokens:.0} tokens/s, and a query in {query_seconds:.4} s"
        ));
        Ok(Self {
            unloaded,
            capacity,
            tokens,
            query_seconds,
        })
    }

    /// The figures at a multiple of what the service can do.
    async fn at(&self, factor: f64, client: &Client, mix: &Arc<Mix>, time: Duration) -> Report {
        let rate = self.capacity * factor;
        let memory = client.memory().await;
        let (tokens, begin) = (client.tokens().await, Instant::now());
        let found = arrivals(client, mix, rate, time, None).await;
        let mut report = Report::new(&format!("{factor} x capacity"), rate, &found, time);
        report.tokens_per_second = (client.tokens().await - tokens) / begin.elapsed().as_secs_f64();
        report.memory = [memory, client.memory().await];
        report.capacity = Some(Capacity {
            factor,
            requests_per_second: self.capacity,
            tokens_per_second: self.tokens,
            unloaded_p99: self.unloaded,
            queue_p99: (factor < 1.0)
                .then(|| 1e3 * queue::wait_of_queries(rate, self.query_seconds)),
        });
        report
    }
}

/// The median seconds of queries, asked one after another.
async fn query_seconds(client: &Client, mix: &Arc<Mix>) -> f64 {
    let mut random = Random::new(7);
    let mut times = Vec::new();
    for _ in 0..SINGLE_QUERIES {
        let (_, texts) = mix.next(&mut random, Some(Class::Query));
        let begin = Instant::now();
        if client.embed(&texts).await == Outcome::Answered {
            times.push(begin.elapsed().as_secs_f64());
        }
    }
    statistics::median(times)
}

/// Counts the answered and the failed requests of workers, who ask again when they have an answer.
///
/// A refused request is asked again, so that the answered ones are the mix: a service refuses large requests first. The
/// service has work until about the last answer.
async fn keep_busy(client: &Client, mix: &Arc<Mix>, time: Duration) -> (u32, u32) {
    let begin = Instant::now();
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let (client, mix) = (client.clone(), Arc::clone(mix));
        workers.spawn(async move {
            let mut random = Random::new(worker as u64 + 1);
            let mut answered = 0;
            while begin.elapsed() < time {
                let (_, texts) = mix.next(&mut random, None);
                loop {
                    match client.embed(&texts).await {
                        Outcome::Answered => break,
                        Outcome::Refused if begin.elapsed() < 2 * time => {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                        _ => return (answered, 1),
                    }
                }
                answered += 1;
            }
            (answered, 0)
        });
    }
    let (mut answered, mut failed) = (0, 0);
    while let Some(worker) = workers.join_next().await {
        let (more_answered, more_failed) = worker.unwrap_or((0, 1));
        answered += more_answered;
        failed += more_failed;
    }
    (answered, failed)
}

/// A request that was due.
pub(crate) struct Asked {
    pub(crate) class: Class,
    pub(crate) outcome: Outcome,
    /// From the moment at which it was due.
    pub(crate) latency: Duration,
}

/// Asks at random moments, `rate` times per second on average.
async fn arrivals(
    client: &Client,
    mix: &Arc<Mix>,
    rate: f64,
    time: Duration,
    only: Option<Class>,
) -> Vec<Asked> {
    let mut random = Random::new(42);
    let begin = Instant::now();
    let mut due = Duration::ZERO;
    let mut running = JoinSet::new();
    let mut asked = Vec::new();
    loop {
        due += random.pause(rate);
        if due >= time {
            break;
        }
        let moment = begin + due;
        tokio::time::sleep_until(moment.into()).await;
        while let Some(done) = running.try_join_next() {
            asked.extend(done);
        }
        if running.len() >= MOST_REQUESTS {
            asked.extend(running.join_next().await.and_then(Result::ok));
        }
        let (class, texts) = mix.next(&mut random, only);
        let client = client.clone();
        running.spawn(async move {
            let outcome = client.embed(&texts).await;
            Asked {
                class,
                outcome,
                latency: moment.elapsed(),
            }
        });
    }
    while let Some(done) = running.join_next().await {
        asked.extend(done);
    }
    asked
}

/// Times single queries while a client embeds many texts, until they are embedded.
async fn beside_bulk(client: &Client, mix: &Arc<Mix>, texts: Vec<String>) -> Report {
    let bulk = {
        let client = client.clone();
        tokio::spawn(async move {
            for texts in texts.chunks(BULK_TEXTS) {
                while client.embed(texts).await != Outcome::Answered {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            texts.len()
        })
    };
    let begin = Instant::now();
    let mut asked = Vec::new();
    while !bulk.is_finished() {
        asked.extend(arrivals(client, mix, BESIDE_BULK_RATE, PART, Some(Class::Query)).await);
    }
    let time = begin.elapsed();
    let mut report = Report::new("queries beside bulk", BESIDE_BULK_RATE, &asked, time);
    let embedded = bulk.await.unwrap_or(0);
    report.bulk_texts_per_second = Some(embedded as f64 / time.as_secs_f64());
    report
}
