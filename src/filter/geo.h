// Areas on the sphere: a circle by great-circle distance, and a box of degrees that may cross the date line.
//
// Threads: values.
// Errors:  none; all degrees are finite and in range, which GeoPoint::Valid() tells.
#pragma once

namespace akidb::filter {

// Degrees.
struct GeoPoint {
  double lat = 0;
  double lon = 0;

  bool Valid() const { return lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180; }
};

// Edge included; distance by the haversine formula on a sphere of the earth's mean radius, 6,371,008.8 m.
struct GeoCircle {
  GeoPoint center;
  double radius_m = 0;

  bool Contains(GeoPoint point) const;
};

// Edges included. With top_left.lon > bottom_right.lon the box crosses the date line.
struct GeoBox {
  GeoPoint top_left;
  GeoPoint bottom_right;

  bool Contains(GeoPoint point) const;
};

}  // namespace akidb::filter
