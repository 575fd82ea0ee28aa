//! usearch with a filter, in the index that the peer from PyPI has saved: Python's interface has no filter.
//!
//! usage: usearch_filter INDEX DIM ROWS cosine|l2
//!
//! An order is "QUERIES.npy EF RESULTS MASK.npy"; queries are f32, a mask one byte a row.
mod npy;

use std::io::{BufRead, Write};
use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

const K: usize = 10;
const POINT_SECONDS: f64 = 0.1;

fn cpu_seconds() -> f64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut now) };
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let dimensions: usize = arguments[2].parse().unwrap();
    let rows: usize = arguments[3].parse().unwrap();
    let metric = if arguments[4] == "cosine" { MetricKind::IP } else { MetricKind::L2sq };
    let options = IndexOptions { dimensions, metric, quantization: ScalarKind::F32, connectivity: 16, ..Default::default() };
    let index = Index::new(&options).unwrap();
    index.load(&arguments[1]).unwrap();
    println!("{{\"n\":{rows},\"dim\":{dimensions}}}");
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let queries = npy::read(words[0]);
        let mask = std::fs::read(words[3]).unwrap();
        let passes = &mask[mask.len() - rows..];
        index.change_expansion_search(words[1].parse().unwrap());
        let mut found: Vec<u32> = Vec::new();
        let (start, mut searches) = (cpu_seconds(), 0);
        let elapsed = loop {
            found.clear();
            for query in &queries {
                let before = found.len();
                let matches = index.filtered_search(query, K, |row| passes[row as usize] != 0).unwrap();
                found.extend(matches.keys.iter().map(|row| *row as u32));
                found.resize(before + K, u32::MAX);
            }
            searches += queries.len();
            let elapsed = cpu_seconds() - start;
            if elapsed >= POINT_SECONDS {
                break elapsed;
            }
        };
        let bytes: Vec<u8> = found.iter().flat_map(|row| row.to_le_bytes()).collect();
        std::fs::write(words[2], bytes).unwrap();
        println!("{{\"cpu_qps\":{:.2}}}", searches as f64 / elapsed);
        std::io::stdout().flush().unwrap();
    }
}
