//! Two HNSW crates as processes that answer orders, as `akidb bench ann --orders` does.
//!
//! usage: peers hnsw_rs|instant-distance BASE.npy INDEX THREADS
//!
//! An order is "QUERIES.npy EF RESULTS"; RESULTS receives 10 uint32 row numbers a query. Arrays are f32, C order.
mod crates;
mod npy;

use std::io::{BufRead, Write};
use std::os::fd::FromRawFd;
use std::time::Instant;

const K: usize = 10;
/// A point lasts at least so long.
const POINT_SECONDS: f64 = 0.1;

fn cpu_seconds() -> f64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut now) };
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Where answers go. hnsw_rs prints how far it has come on the standard output: from here on that is the log.
fn take_answers() -> std::fs::File {
    unsafe {
        let answers = libc::dup(1);
        libc::dup2(2, 1);
        std::fs::File::from_raw_fd(answers)
    }
}

fn main() {
    let mut answers = take_answers();
    let arguments: Vec<String> = std::env::args().collect();
    let base = npy::read(&arguments[2]);
    let before = resident_bytes();
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let mut index = crates::open(&arguments[1], &base, &arguments[3]);
    writeln!(
        answers,
        "{{\"n\":{},\"dim\":{},\"build_s\":{:.2},\"build_cpu_s\":{:.2},\"build_threads\":{},\"bytes_per_vector\":{:.1}}}",
        base.len(),
        base[0].len(),
        wall.elapsed().as_secs_f64(),
        cpu_seconds() - cpu,
        arguments[4],
        resident_bytes().saturating_sub(before) as f64 / base.len() as f64
    )
    .unwrap();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let queries = npy::read(words[0]);
        let ef: usize = words[1].parse().unwrap();
        index.prepare(ef);
        let mut rows: Vec<u32> = Vec::new();
        let (start, mut searches) = (cpu_seconds(), 0);
        let elapsed = loop {
            rows.clear();
            for query in &queries {
                let before = rows.len();
                index.search(query, ef, &mut rows);
                rows.resize(before + K, u32::MAX);
            }
            searches += queries.len();
            let elapsed = cpu_seconds() - start;
            if elapsed >= POINT_SECONDS {
                break elapsed;
            }
        };
        let bytes: Vec<u8> = rows.iter().flat_map(|row| row.to_le_bytes()).collect();
        std::fs::write(words[2], bytes).unwrap();
        writeln!(answers, "{{\"cpu_qps\":{:.2}}}", searches as f64 / elapsed).unwrap();
    }
}
