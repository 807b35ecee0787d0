//! Icons as strokes on a 24 × 24 grid, drawn by the painter: sharp at every scale, no image files.

use egui::{Color32, Painter, Pos2, Rect, Shape, Stroke, Vec2, pos2};

/// Everything that is drawn as a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Icon {
    /// Circle with a tick.
    Ok,
    /// Triangle with an arrow.
    NeedUpgrade,
    /// Octagon with a bang.
    Error,
    /// Open ring.
    Running,
    /// Dashed ring.
    Waiting,
    Monitor,
    Box,
    Grid,
    Lock,
    Pulse,
    Shield,
    Search,
    Gear,
    Key,
    Card,
    Upload,
    Download,
    Refresh,
    Pencil,
    Plus,
    Minus,
    Trash,
    Cross,
    Tick,
    Ban,
    Sun,
    Moon,
    Command,
    Door,
    List,
    Diamond,
    Clock,
}

enum Part {
    Line(&'static [(f32, f32)]),
    Closed(&'static [(f32, f32)]),
    Solid(&'static [(f32, f32)]),
    Circle(f32, f32, f32),
    Dot(f32, f32, f32),
    /// Centre, radius, from and to in degrees clockwise from three o'clock.
    Arc(f32, f32, f32, f32, f32),
}

use Part::{Arc, Circle, Closed, Dot, Line, Solid};

impl Icon {
    fn parts(self) -> &'static [Part] {
        match self {
            Self::Ok => &[
                Circle(12.0, 12.0, 9.5),
                Line(&[(7.5, 12.5), (10.8, 15.5), (16.5, 9.0)]),
            ],
            Self::NeedUpgrade => &[
                Closed(&[(12.0, 3.0), (21.8, 20.5), (2.2, 20.5)]),
                Line(&[(12.0, 17.5), (12.0, 10.5)]),
                Line(&[(9.2, 13.0), (12.0, 10.2), (14.8, 13.0)]),
            ],
            Self::Error => &[
                Closed(&[
                    (8.0, 2.5),
                    (16.0, 2.5),
                    (21.5, 8.0),
                    (21.5, 16.0),
                    (16.0, 21.5),
                    (8.0, 21.5),
                    (2.5, 16.0),
                    (2.5, 8.0),
                ]),
                Line(&[(12.0, 6.6), (12.0, 12.6)]),
                Dot(12.0, 16.8, 1.7),
            ],
            Self::Running => &[Arc(12.0, 12.0, 9.0, -60.0, 210.0)],
            Self::Waiting => &[
                Arc(12.0, 12.0, 9.0, 0.0, 30.0),
                Arc(12.0, 12.0, 9.0, 60.0, 90.0),
                Arc(12.0, 12.0, 9.0, 120.0, 150.0),
                Arc(12.0, 12.0, 9.0, 180.0, 210.0),
                Arc(12.0, 12.0, 9.0, 240.0, 270.0),
                Arc(12.0, 12.0, 9.0, 300.0, 330.0),
            ],
            Self::Monitor => &[
                Closed(&[(3.0, 4.0), (21.0, 4.0), (21.0, 16.0), (3.0, 16.0)]),
                Line(&[(12.0, 16.0), (12.0, 20.0)]),
                Line(&[(7.0, 20.5), (17.0, 20.5)]),
            ],
            Self::Box => &[
                Closed(&[
                    (12.0, 2.5),
                    (20.5, 7.0),
                    (20.5, 17.0),
                    (12.0, 21.5),
                    (3.5, 17.0),
                    (3.5, 7.0),
                ]),
                Line(&[(3.5, 7.0), (12.0, 11.5), (20.5, 7.0)]),
                Line(&[(12.0, 11.5), (12.0, 21.5)]),
            ],
            Self::Grid => &[
                Closed(&[(3.0, 3.0), (10.0, 3.0), (10.0, 10.0), (3.0, 10.0)]),
                Closed(&[(14.0, 3.0), (21.0, 3.0), (21.0, 10.0), (14.0, 10.0)]),
                Closed(&[(3.0, 14.0), (10.0, 14.0), (10.0, 21.0), (3.0, 21.0)]),
                Closed(&[(14.0, 14.0), (21.0, 14.0), (21.0, 21.0), (14.0, 21.0)]),
            ],
            Self::Lock => &[
                Closed(&[(4.5, 11.0), (19.5, 11.0), (19.5, 21.0), (4.5, 21.0)]),
                Line(&[(8.0, 11.0), (8.0, 7.5)]),
                Line(&[(16.0, 11.0), (16.0, 7.5)]),
                Arc(12.0, 7.5, 4.0, 180.0, 360.0),
            ],
            Self::Pulse => &[Line(&[
                (2.0, 12.5),
                (6.5, 12.5),
                (9.5, 4.5),
                (14.5, 20.0),
                (17.5, 12.5),
                (22.0, 12.5),
            ])],
            Self::Shield => &[Closed(&[
                (12.0, 2.5),
                (20.0, 5.5),
                (20.0, 12.0),
                (17.5, 17.0),
                (12.0, 21.5),
                (6.5, 17.0),
                (4.0, 12.0),
                (4.0, 5.5),
            ])],
            Self::Search => &[Circle(10.5, 10.5, 7.0), Line(&[(15.7, 15.7), (21.0, 21.0)])],
            Self::Gear => &[
                Circle(12.0, 12.0, 6.5),
                Circle(12.0, 12.0, 2.5),
                Line(&[(12.0, 2.0), (12.0, 5.5)]),
                Line(&[(12.0, 18.5), (12.0, 22.0)]),
                Line(&[(2.0, 12.0), (5.5, 12.0)]),
                Line(&[(18.5, 12.0), (22.0, 12.0)]),
                Line(&[(5.0, 5.0), (7.4, 7.4)]),
                Line(&[(16.6, 16.6), (19.0, 19.0)]),
                Line(&[(19.0, 5.0), (16.6, 7.4)]),
                Line(&[(7.4, 16.6), (5.0, 19.0)]),
            ],
            Self::Key => &[
                Circle(8.0, 15.5, 5.0),
                Line(&[(11.5, 12.0), (20.5, 3.0)]),
                Line(&[(16.0, 7.5), (19.0, 10.5)]),
            ],
            Self::Card => &[
                Closed(&[(2.5, 5.0), (21.5, 5.0), (21.5, 19.0), (2.5, 19.0)]),
                Closed(&[(6.0, 9.5), (10.5, 9.5), (10.5, 14.5), (6.0, 14.5)]),
                Line(&[(14.0, 14.5), (18.0, 14.5)]),
            ],
            Self::Upload => &[
                Line(&[(12.0, 16.0), (12.0, 3.5)]),
                Line(&[(7.0, 8.5), (12.0, 3.5), (17.0, 8.5)]),
                Line(&[(3.5, 15.5), (3.5, 20.5), (20.5, 20.5), (20.5, 15.5)]),
            ],
            Self::Download => &[
                Line(&[(12.0, 3.5), (12.0, 16.0)]),
                Line(&[(7.0, 11.0), (12.0, 16.0), (17.0, 11.0)]),
                Line(&[(3.5, 15.5), (3.5, 20.5), (20.5, 20.5), (20.5, 15.5)]),
            ],
            Self::Refresh => &[
                Arc(12.0, 12.0, 8.0, -20.0, 270.0),
                Line(&[(9.0, 1.5), (12.5, 4.0), (9.5, 7.5)]),
            ],
            Self::Pencil => &[
                Closed(&[(4.0, 20.0), (5.0, 15.5), (16.5, 4.0), (20.0, 7.5), (8.5, 19.0)]),
                Line(&[(14.0, 6.5), (17.5, 10.0)]),
            ],
            Self::Plus => &[
                Line(&[(12.0, 5.0), (12.0, 19.0)]),
                Line(&[(5.0, 12.0), (19.0, 12.0)]),
            ],
            Self::Minus => &[Line(&[(5.0, 12.0), (19.0, 12.0)])],
            Self::Trash => &[
                Line(&[(3.5, 6.5), (20.5, 6.5)]),
                Line(&[(9.0, 6.5), (9.0, 3.0), (15.0, 3.0), (15.0, 6.5)]),
                Line(&[(6.0, 6.5), (7.0, 21.0), (17.0, 21.0), (18.0, 6.5)]),
            ],
            Self::Cross => &[
                Line(&[(6.0, 6.0), (18.0, 18.0)]),
                Line(&[(18.0, 6.0), (6.0, 18.0)]),
            ],
            Self::Tick => &[Line(&[(4.5, 12.5), (10.0, 18.0), (19.5, 6.5)])],
            Self::Ban => &[Circle(12.0, 12.0, 9.5), Line(&[(5.4, 5.4), (18.6, 18.6)])],
            Self::Sun => &[
                Circle(12.0, 12.0, 4.5),
                Line(&[(12.0, 1.5), (12.0, 4.0)]),
                Line(&[(12.0, 20.0), (12.0, 22.5)]),
                Line(&[(1.5, 12.0), (4.0, 12.0)]),
                Line(&[(20.0, 12.0), (22.5, 12.0)]),
                Line(&[(4.5, 4.5), (6.3, 6.3)]),
                Line(&[(17.7, 17.7), (19.5, 19.5)]),
                Line(&[(19.5, 4.5), (17.7, 6.3)]),
                Line(&[(6.3, 17.7), (4.5, 19.5)]),
            ],
            Self::Moon => &[
                Arc(12.0, 12.0, 9.0, 20.0, 250.0),
                Arc(16.5, 7.0, 8.0, 50.0, 190.0),
            ],
            Self::Command => &[
                Closed(&[(3.0, 4.5), (21.0, 4.5), (21.0, 19.5), (3.0, 19.5)]),
                Line(&[(7.0, 9.0), (10.5, 12.0), (7.0, 15.0)]),
                Line(&[(12.5, 15.5), (17.0, 15.5)]),
            ],
            Self::Door => &[
                Line(&[(10.0, 3.5), (4.0, 3.5), (4.0, 20.5), (10.0, 20.5)]),
                Line(&[(9.5, 12.0), (20.5, 12.0)]),
                Line(&[(16.0, 7.5), (20.5, 12.0), (16.0, 16.5)]),
            ],
            Self::List => &[
                Line(&[(9.0, 6.0), (21.0, 6.0)]),
                Line(&[(9.0, 12.0), (21.0, 12.0)]),
                Line(&[(9.0, 18.0), (21.0, 18.0)]),
                Dot(4.5, 6.0, 1.4),
                Dot(4.5, 12.0, 1.4),
                Dot(4.5, 18.0, 1.4),
            ],
            Self::Diamond => &[Solid(&[(12.0, 2.0), (22.0, 12.0), (12.0, 22.0), (2.0, 12.0)])],
            Self::Clock => &[
                Circle(12.0, 12.0, 9.5),
                Line(&[(12.0, 6.5), (12.0, 12.0), (16.0, 14.5)]),
            ],
        }
    }

    /// Draws the icon centred in a square of the given size around `center`.
    pub fn paint(self, painter: &Painter, center: Pos2, size: f32, color: Color32) {
        let scale = size / 24.0;
        let origin = center - Vec2::splat(size / 2.0);
        let at = |x: f32, y: f32| origin + Vec2::new(x, y) * scale;
        let stroke = Stroke::new((size / 12.0).clamp(1.2, 2.0), color);
        let points = |list: &[(f32, f32)]| list.iter().map(|(x, y)| at(*x, *y)).collect::<Vec<_>>();
        for part in self.parts() {
            let shape = match part {
                Line(list) => Shape::line(points(list), stroke),
                Closed(list) => Shape::closed_line(points(list), stroke),
                Solid(list) => Shape::convex_polygon(points(list), color, Stroke::NONE),
                Circle(x, y, radius) => Shape::circle_stroke(at(*x, *y), radius * scale, stroke),
                Dot(x, y, radius) => Shape::circle_filled(at(*x, *y), radius * scale, color),
                Arc(x, y, radius, from, to) => {
                    Shape::line(arc(at(*x, *y), radius * scale, *from, *to), stroke)
                }
            };
            painter.add(shape);
        }
    }

    /// Draws the icon at the left of a rectangle, centred in height.
    pub fn paint_left(self, painter: &Painter, rect: Rect, size: f32, color: Color32) {
        self.paint(
            painter,
            pos2(rect.left() + size / 2.0, rect.center().y),
            size,
            color,
        );
    }
}

fn arc(center: Pos2, radius: f32, from: f32, to: f32) -> Vec<Pos2> {
    let steps = (((to - from).abs() / 12.0).ceil() as usize).max(3);
    (0..=steps)
        .map(|step| {
            let angle = (from + (to - from) * step as f32 / steps as f32).to_radians();
            center + radius * Vec2::angled(angle)
        })
        .collect()
}
