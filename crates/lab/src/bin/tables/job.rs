//! What all tables share: resumable items, and a CSV file that says how it was made.

use absint::report::{Journal, Results, content_hash};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Where things are, and how many run side by side.
pub struct Job {
    pub data: PathBuf,
    pub out: PathBuf,
    pub jobs: usize,
    /// Of each item.
    pub threads: usize,
}

impl Job {
    /// Runs the items that the partial file does not have yet; returns the results of all, in order.
    pub fn run(
        &self,
        name: &str,
        header: &Value,
        keys: &[String],
        item: impl Fn(usize) -> Outcome<Value> + Sync,
    ) -> Outcome<Vec<Value>> {
        let path = self.out.join(format!("partial/{name}.jsonl"));
        let journal = Journal::resume(&path, &self.bound(header), "key")?;
        let open: Vec<usize> = (0..keys.len()).filter(|&i| !journal.has(&keys[i])).collect();
        let next = AtomicUsize::new(0);
        let work = || -> Outcome<()> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build()?;
            while let Some(&i) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
                journal.append(&json!({ "key": keys[i], "result": pool.install(|| item(i))? }))?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.jobs).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|w| w.join().map_err(|_| "a worker panicked")?)
        })?;
        drop(journal);
        let mut done = self.load(name, header)?;
        keys.iter().map(|k| done.remove(k).ok_or_else(|| format!("{k} is missing").into())).collect()
    }

    /// The header with the threads of an item, so that no table mixes times of one and of several.
    fn bound(&self, header: &Value) -> Value {
        let mut header = header.clone();
        if self.threads > 1 {
            header["threads"] = self.threads.into();
        }
        header
    }

    /// The results that a partial file has, by key, whether or not a run is adding to it; none when there is no file.
    pub fn load(&self, name: &str, header: &Value) -> Outcome<BTreeMap<String, Value>> {
        let path = self.out.join(format!("partial/{name}.jsonl"));
        if !path.exists() {
            return Ok(BTreeMap::new());
        }
        let results = Results::read(&path, "key")?;
        let header = self.bound(header);
        if results.header != header {
            return Err(format!("{}: made with {}, not with {header}", path.display(), results.header).into());
        }
        let result = |(_, line): (usize, Value)| Some((line["key"].as_str()?.to_owned(), line["result"].clone()));
        Ok(results.lines.into_iter().filter_map(result).collect())
    }

    /// Writes a table, with what it was measured on and how.
    pub fn write(&self, name: &str, command: &str, header: &[&str], rows: &[Vec<String>]) -> Outcome<()> {
        let partial = self.out.join(format!("partial/{name}.tmp"));
        let mut writer = csv::Writer::from_path(&partial)?;
        writer.write_record(header.iter().chain(&["machine", "date", "command"]))?;
        let threads = if self.threads == 1 { String::new() } else { format!(" --threads {}", self.threads) };
        let measured = [machine(self.threads), today()?, format!("{command}{threads}")];
        for row in rows {
            writer.write_record(row.iter().chain(&measured))?;
        }
        writer.flush()?;
        fs::rename(partial, self.out.join(name))?;
        Ok(())
    }
}

/// The contents of files, told from others.
pub fn hash(files: &[PathBuf]) -> Outcome<String> {
    let all: Result<Vec<String>, _> = files.iter().map(|file| content_hash(file)).collect();
    Ok(all?.join("+"))
}

fn machine(threads: usize) -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = info.lines().find(|l| l.starts_with("model name")).and_then(|l| l.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if threads == 1 { "one thread".into() } else { format!("{threads} threads") };
    format!("{}; {cores} cores, {threads} per item", field.map_or(std::env::consts::ARCH, |(_, name)| name))
}

/// The date in UTC as `yyyy-mm-dd`.
fn today() -> Outcome<String> {
    let mut days = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / 86_400;
    let is_leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    Ok(format!("{year}-{month:02}-{:02}", days + 1))
}

pub fn text(row: &Map<String, Value>, field: &str) -> String {
    row.get(field).map_or_else(String::new, |v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
}

pub fn seconds(timeout: f64) -> Outcome<Duration> {
    Ok(Duration::try_from_secs_f64(timeout)?)
}
