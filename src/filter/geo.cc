#include "filter/geo.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace akidb::filter {
namespace {

constexpr double kEarthRadiusM = 6371008.8;

double Radians(double degrees) { return degrees * (std::numbers::pi / 180); }

double HalfChordSquared(double degrees) {
  const double sine = std::sin(Radians(degrees) / 2);
  return sine * sine;
}

double DistanceM(GeoPoint a, GeoPoint b) {
  const double h = HalfChordSquared(a.lat - b.lat) +
                   std::cos(Radians(a.lat)) * std::cos(Radians(b.lat)) * HalfChordSquared(a.lon - b.lon);
  return 2 * kEarthRadiusM * std::asin(std::sqrt(std::min(h, 1.0)));
}

}  // namespace

bool GeoCircle::Contains(GeoPoint point) const { return DistanceM(center, point) <= radius_m; }

bool GeoBox::Contains(GeoPoint point) const {
  if (point.lat > top_left.lat || point.lat < bottom_right.lat) return false;
  const double west = top_left.lon;
  const double east = bottom_right.lon;
  const auto inside = [=](double lon) {
    return west <= east ? lon >= west && lon <= east : lon >= west || lon <= east;
  };
  // -180 and 180 are the same meridian.
  return inside(point.lon) || (std::abs(point.lon) == 180 && inside(-point.lon));
}

}  // namespace akidb::filter
