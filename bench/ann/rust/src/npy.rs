//! Reads an array of numpy's: two dimensions, f32, C order.

pub fn read(path: &str) -> Vec<Vec<f32>> {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(&bytes[..6], b"\x93NUMPY", "{path}");
    let (length, begin) = match bytes[6] {
        1 => (u16::from_le_bytes([bytes[8], bytes[9]]) as usize, 10),
        _ => (u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize, 12),
    };
    let header = std::str::from_utf8(&bytes[begin..begin + length]).unwrap();
    assert!(header.contains("'<f4'") && header.contains("'fortran_order': False"), "{path}: {header}");
    let shape = &header[header.find("'shape': (").unwrap() + 10..];
    let sizes: Vec<usize> = shape[..shape.find(')').unwrap()].split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let values = &bytes[begin + length..];
    assert_eq!(values.len(), sizes[0] * sizes[1] * 4, "{path}");
    values
        .chunks_exact(sizes[1] * 4)
        .map(|row| row.chunks_exact(4).map(|v| f32::from_le_bytes([v[0], v[1], v[2], v[3]])).collect())
        .collect()
}
