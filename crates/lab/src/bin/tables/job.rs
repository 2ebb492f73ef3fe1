//! What all tables share: resumable items, and a CSV file that says above its rows how they were made.

use absint::campaign::{Journal, Results};
use absint::format::fingerprint::content_hash;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Where things are, and how many run side by side.
pub struct Job {
    pub data: PathBuf,
    pub out: PathBuf,
    pub jobs: usize,
    /// Of each item.
    pub threads: usize,
    /// What was given on the command line, without the folders.
    pub arguments: String,
    pub work: Work,
}

/// Where the items of a table came from so far.
#[derive(Debug, Default)]
pub struct Work {
    computed: AtomicBool,
    carried_over: AtomicBool,
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
        self.work.computed.fetch_or(!open.is_empty(), Ordering::Relaxed);
        self.work.carried_over.fetch_or(open.len() < keys.len(), Ordering::Relaxed);
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
        self.work.carried_over.fetch_or(!results.lines.is_empty(), Ordering::Relaxed);
        let header = self.bound(header);
        if results.header != header {
            return Err(format!("{}: made with {}, not with {header}", path.display(), results.header).into());
        }
        let result = |(_, line): (usize, Value)| Some((line["key"].as_str()?.to_owned(), line["result"].clone()));
        Ok(results.lines.into_iter().filter_map(result).collect())
    }

    /// Writes a table below the runs that its rows came from, a line each: date, machine, arguments.
    pub fn write(&self, name: &str, header: &[&str], rows: &[Vec<String>]) -> Outcome<()> {
        let before = fs::read_to_string(self.out.join(name)).unwrap_or_default();
        let this = self.run_line()?;
        let computed = self.work.computed.load(Ordering::Relaxed);
        let runs = runs(&before, &this, computed, self.work.carried_over.load(Ordering::Relaxed));
        let mut writer = csv::Writer::from_writer(runs.into_bytes());
        writer.write_record(header)?;
        rows.iter().try_for_each(|row| writer.write_record(row))?;
        self.replace(name, &writer.into_inner()?)
    }

    /// Writes rows into a table beside those of other runs, each below the line of its run; rows are the same where their
    /// first `key` columns are.
    pub fn write_beside(&self, name: &str, header: &[&str], key: usize, rows: &[Vec<String>]) -> Outcome<()> {
        let before = fs::read_to_string(self.out.join(name)).unwrap_or_default();
        self.replace(name, beside(&before, &self.run_line()?, header, key, rows)?.as_bytes())
    }

    /// What stands above the rows of this run.
    fn run_line(&self) -> Outcome<String> {
        Ok(format!("# {}, {}: tables {}", today()?, machine(self.threads), self.arguments))
    }

    /// Replaces a table at once.
    fn replace(&self, name: &str, contents: &[u8]) -> Outcome<()> {
        let partial = self.out.join(format!("partial/{name}.tmp"));
        fs::write(&partial, contents)?;
        fs::rename(partial, self.out.join(name))?;
        Ok(())
    }
}

/// The table `before` with the `rows` of `this` run: one that is there with the same values stays where it is, one with
/// other values moves below this run, and a run that is left without rows loses its line.
fn beside(before: &str, this: &str, header: &[&str], key: usize, rows: &[Vec<String>]) -> Outcome<String> {
    let mut runs: Vec<(&str, Vec<Vec<String>>)> = Vec::new();
    for line in before.lines().filter(|line| *line != header.join(",")) {
        if line.starts_with('#') {
            runs.push((line, Vec::new()));
            continue;
        }
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
        let old: Vec<String> = reader.records().next().ok_or("an empty line")??.iter().map(String::from).collect();
        let is_replaced = rows.iter().any(|new| new[..key] == old[..key] && *new != old);
        if let Some((_, kept)) = runs.last_mut().filter(|_| !is_replaced) {
            kept.push(old);
        }
    }
    let is_there = |row: &&Vec<String>| runs.iter().any(|(_, kept)| kept.contains(row));
    let new: Vec<_> = rows.iter().filter(|row| !is_there(row)).cloned().collect();
    match runs.iter_mut().find(|(line, _)| *line == this) {
        Some((_, rows)) => rows.extend(new),
        None => runs.push((this, new)),
    }
    runs.retain(|(_, rows)| !rows.is_empty());
    let mut text = String::new();
    for (i, (line, rows)) in runs.iter().enumerate() {
        let mut writer = csv::Writer::from_writer(Vec::new());
        if i == 0 {
            writer.write_record(header)?;
        }
        rows.iter().try_for_each(|row| writer.write_record(row))?;
        text += &format!("{line}\n{}", String::from_utf8(writer.into_inner()?)?);
    }
    Ok(text)
}

/// The lines above a table: `this` run where it computed anything, and those of the runs `before` it where any of
/// their items were carried over; of runs with the same arguments the last.
fn runs(before: &str, this: &str, computed: bool, carried_over: bool) -> String {
    fn arguments(line: &str) -> Option<&str> {
        line.split_once(": tables ").map(|t| t.1)
    }
    let earlier = before.lines().take_while(|line| line.starts_with('#') && carried_over);
    let is_new = computed || before.is_empty();
    let mut runs: Vec<&str> = earlier.filter(|line| !is_new || arguments(line) != arguments(this)).collect();
    if is_new || runs.is_empty() {
        runs.push(this);
    }
    runs.iter().map(|line| format!("{line}\n")).collect()
}

/// What was given on the command line, without the folders, which are this machine's own.
pub fn arguments(given: impl IntoIterator<Item = String>) -> String {
    let mut kept: Vec<String> = Vec::new();
    let mut given = given.into_iter();
    while let Some(argument) = given.next() {
        if ["--data", "--out"].contains(&argument.as_str()) {
            given.next();
        } else if !argument.starts_with("--data=") && !argument.starts_with("--out=") {
            kept.push(argument);
        }
    }
    kept.join(" ")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_names_the_runs_that_its_rows_came_from() {
        let (old, this) = ("# d, m: tables kpoly --k 1\n", "# e, m: tables kpoly --k 2");
        let before = format!("{old}network\n\"# no run\"\n");
        assert_eq!(runs("", this, true, false), format!("{this}\n"));
        assert_eq!(runs(&before, this, true, true), format!("{old}{this}\n"));
        assert_eq!(runs(&before, this, true, false), format!("{this}\n"));
        assert_eq!(runs(&before, this, false, true), old);
        assert_eq!(runs(&before, "# e, m: tables kpoly --k 1", true, true), "# e, m: tables kpoly --k 1\n");
    }

    #[test]
    fn rows_of_other_runs_stay_below_their_own_line() {
        let row = |cells: [&str; 3]| cells.map(String::from).to_vec();
        let header = ["network", "method", "verified"];
        let write = |before: &str, this, rows: &[Vec<String>]| beside(before, this, &header, 2, rows).unwrap();
        let first = write("", "# run A", &[row(["x", "auto", "1"])]);
        let first = write(&first, "# run A", &[row(["x", "auto", "1"]), row(["y", "auto", "2"])]);
        assert_eq!(first, "# run A\nnetwork,method,verified\nx,auto,1\ny,auto,2\n");
        let second = write(&first, "# run B", &[row(["y", "auto", "3"]), row(["z", "kpoly(k=2,refine)", "4"])]);
        let rest = "# run B\ny,auto,3\nz,\"kpoly(k=2,refine)\",4\n";
        assert_eq!(second, format!("# run A\nnetwork,method,verified\nx,auto,1\n{rest}"));
        // The same rows once more, which nobody computed anew.
        assert_eq!(write(&second, "# run C", &[row(["x", "auto", "1"]), row(["y", "auto", "3"])]), second);
        let third = write(&second, "# run D", &[row(["x", "auto", "9"])]);
        assert_eq!(third, rest.replace("run B\n", "run B\nnetwork,method,verified\n") + "# run D\nx,auto,9\n");
    }

    #[test]
    fn the_arguments_that_are_recorded_are_those_that_were_given_but_for_folders() {
        let given = ["--data", "/somewhere", "kpoly", "--timeout", "60", "--out=there", "--threads", "2"];
        assert_eq!(arguments(given.map(String::from)), "kpoly --timeout 60 --threads 2");
    }
}
