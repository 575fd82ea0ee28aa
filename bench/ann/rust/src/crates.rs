//! One interface over the two crates.
use crate::K;

pub trait Index {
    /// Before a sweep's point, outside its time.
    fn prepare(&mut self, ef: usize);
    fn search(&mut self, query: &[f32], ef: usize, rows: &mut Vec<u32>);
}

pub fn open(name: &str, base: &[Vec<f32>], path: &str) -> Box<dyn Index> {
    match name {
        "hnsw_rs" => Box::new(HnswRs::build(base)),
        "instant-distance" => Box::new(InstantDistance::open(base, path)),
        _ => panic!("no crate is called {name}"),
    }
}

struct HnswRs {
    index: hnsw_rs::prelude::Hnsw<'static, f32, hnsw_rs::prelude::DistL2>,
}

impl HnswRs {
    fn build(base: &[Vec<f32>]) -> HnswRs {
        let mut index = hnsw_rs::prelude::Hnsw::new(16, base.len(), 16, 200, hnsw_rs::prelude::DistL2 {});
        let rows: Vec<(&Vec<f32>, usize)> = base.iter().zip(0..).collect();
        index.parallel_insert(&rows);
        index.set_searching_mode(true);
        HnswRs { index }
    }
}

impl Index for HnswRs {
    fn prepare(&mut self, _: usize) {}
    fn search(&mut self, query: &[f32], ef: usize, rows: &mut Vec<u32>) {
        rows.extend(self.index.search(query, K, ef.max(K)).iter().map(|found| found.d_id as u32));
    }
}

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Point(Vec<f32>);

impl instant_distance::Point for Point {
    /// Squared Euclidean, in lanes, so that the compiler may use vectors.
    fn distance(&self, other: &Self) -> f32 {
        const LANES: usize = 16;
        let mut sums = [0f32; LANES];
        let (left, right) = (self.0.chunks_exact(LANES), other.0.chunks_exact(LANES));
        let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(a, b)| (a - b) * (a - b)).sum();
        for (a, b) in left.zip(right) {
            for i in 0..LANES {
                sums[i] += (a[i] - b[i]) * (a[i] - b[i]);
            }
        }
        sums.iter().sum::<f32>() + rest
    }
}

struct InstantDistance {
    index: instant_distance::Hnsw<Point>,
    /// The index as bytes: its beam is fixed when it is built, and the first thing stored.
    stored: Vec<u8>,
    row_of: Vec<u32>,
    state: instant_distance::Search,
}

impl InstantDistance {
    fn open(base: &[Vec<f32>], path: &str) -> InstantDistance {
        let rows_path = format!("{path}.rows");
        if let (Ok(stored), Ok(rows)) = (std::fs::read(path), std::fs::read(&rows_path)) {
            let index = bincode::deserialize(&stored).unwrap();
            return InstantDistance { index, stored, row_of: bincode::deserialize(&rows).unwrap(), state: Default::default() };
        }
        let points: Vec<Point> = base.iter().map(|row| Point(row.clone())).collect();
        let (index, ids) = instant_distance::Builder::default().seed(1).ef_construction(100).ef_search(100).build_hnsw(points);
        let mut row_of = vec![0; ids.len()];
        for (row, id) in ids.iter().enumerate() {
            row_of[id.into_inner() as usize] = row as u32;
        }
        let stored = bincode::serialize(&index).unwrap();
        assert_eq!(stored[..8], 100u64.to_le_bytes());
        std::fs::write(path, &stored).unwrap();
        std::fs::write(rows_path, bincode::serialize(&row_of).unwrap()).unwrap();
        InstantDistance { index, stored, row_of, state: Default::default() }
    }
}

impl Index for InstantDistance {
    fn prepare(&mut self, ef: usize) {
        self.stored[..8].copy_from_slice(&(ef as u64).to_le_bytes());
        self.index = bincode::deserialize(&self.stored).unwrap();
    }
    fn search(&mut self, query: &[f32], _: usize, rows: &mut Vec<u32>) {
        let found = self.index.search(&Point(query.to_vec()), &mut self.state);
        rows.extend(found.take(K).map(|item| self.row_of[item.pid.into_inner() as usize]));
    }
}
