//! Charts of a run, as SVG: losses, learning rates and scores.
//!
//! NaN and infinite values are left out. Any range of finite numbers can be drawn, also a single point.

mod axis;

use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use self::axis::{Axis, Zero};
use super::{History, ReferenceCurve};
use crate::error::TrainError;

/// Width and height of a chart in pixels.
const SIZE: (u32, u32) = (800, 400);
/// plotters rounds to whole pixels, so charts are drawn this much larger for smooth curves.
const SCALE: u32 = 4;
/// Maximum number of drawn points per line; more would not be visible.
const MOST_POINTS: usize = 1600;
/// Lines with fewer points than this mark each point.
const FEW_POINTS: usize = 40;
/// Maximum letters per label, and rows of labels, of the legend.
const LABEL_LETTERS: usize = 32;
const LEGEND_ROWS: usize = 5;

const PALE_BLUE: RGBColor = RGBColor(158, 188, 221);
const ORANGE: RGBColor = RGBColor(213, 94, 0);
const BLUE: RGBColor = RGBColor(0, 90, 160);
const TEXT: RGBColor = RGBColor(60, 60, 60);
const GRID: RGBColor = RGBColor(228, 228, 228);
/// A palette for colour-blind readers (Okabe and Ito, "Color Universal Design", 2008), with brown and
/// grey instead of yellow and black, and a darker blue.
const PALETTE: [RGBColor; 8] = [
    BLUE,
    ORANGE,
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(140, 86, 50),
    RGBColor(110, 110, 110),
];

type Point = (f64, f64);
type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type DrawingError = DrawingAreaErrorKind<std::io::Error>;

/// The loss per step with its moving mean over a twentieth of the steps, and the losses of a reference.
/// `None` without a step with a finite loss.
pub(super) fn loss(
    history: &History,
    reference: Option<&ReferenceCurve>,
) -> Result<Option<String>, TrainError> {
    let points = drawable(history.steps().map(|step| (step.step as f64, step.loss)));
    if points.is_empty() {
        return Ok(None);
    }
    let mut lines = Vec::new();
    let window = points.len() / 20;
    if window > 1 {
        lines.push(Line::new("loss per step", PALE_BLUE, 1, thin(&points)));
    } else {
        lines.push(Line::new("loss per step", BLUE, 2, thin(&points)));
    }
    if let Some(reference) = reference {
        let points = drawable(reference.points.iter().copied());
        lines.push(Line::new(&reference.label, ORANGE, 2, thin(&points)));
    }
    if window > 1 {
        let label = format!("mean of {window} steps");
        lines.push(Line::new(&label, BLUE, 2, moving_mean(&points, window)));
    }
    draw("loss", "loss", Zero::IfNear, &lines)
}

/// The learning rate per step; `None` without steps.
pub(super) fn learning_rate(history: &History) -> Result<Option<String>, TrainError> {
    let rates = history
        .steps()
        .map(|step| (step.step as f64, step.learning_rate));
    let line = Line::new("learning rate", BLUE, 2, thin(&drawable(rates)));
    draw("learning rate", "learning rate", Zero::Shown, &[line])
}

/// The scores of all validations, a line per score; `None` without validations.
pub(super) fn scores(history: &History) -> Result<Option<String>, TrainError> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in history.evaluations().flat_map(|record| &record.scores) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let is_primary = |name: &str| history.evaluations().any(|record| record.primary == name);
    let lines: Vec<Line> = names
        .iter()
        .zip(0..)
        .map(|(name, place)| {
            let points = history.evaluations().flat_map(|record| {
                let of_name = record.scores.iter().filter(|(other, _)| other == name);
                of_name.map(|(_, value)| (record.step as f64, *value))
            });
            let width = if is_primary(name) { 3 } else { 2 };
            let color = PALETTE[place % PALETTE.len()];
            let mut line = Line::new(name, color, width, thin(&drawable(points)));
            line.dots = Some(if place < PALETTE.len() {
                Dots::Filled
            } else {
                Dots::Hollow
            });
            line
        })
        .collect();
    draw("scores", "score", Zero::Hidden, &lines)
}

/// The finite points, in the order of their steps, clamped so that sums and differences are finite and
/// not subnormal.
fn drawable(points: impl Iterator<Item = Point>) -> Vec<Point> {
    let near = |value: f64| {
        if value.abs() < 1e-280 {
            0.0
        } else {
            value.clamp(-1e280, 1e280)
        }
    };
    let mut points: Vec<Point> = points
        .filter(|(step, value)| step.is_finite() && value.is_finite())
        .map(|(step, value)| (near(step), near(value)))
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// Reduces points to at most [`MOST_POINTS`]: the lowest and the highest of each group of neighbours,
/// whose line looks like that of all points.
fn thin(points: &[Point]) -> Vec<Point> {
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    let mut thinned = Vec::with_capacity(MOST_POINTS);
    for neighbours in points.chunks(points.len().div_ceil(MOST_POINTS / 2)) {
        let mut places = [0, 0];
        for (place, point) in neighbours.iter().enumerate() {
            if point.1 < neighbours[places[0]].1 {
                places[0] = place;
            }
            if point.1 > neighbours[places[1]].1 {
                places[1] = place;
            }
        }
        places.sort_unstable();
        thinned.extend(places.map(|place| neighbours[place]));
    }
    thinned
}

/// Means of `window` neighbours, drawn at their middle.
fn moving_mean(points: &[Point], window: usize) -> Vec<Point> {
    let windows: Vec<&[Point]> = points.windows(window).collect();
    let every = windows.len().div_ceil(MOST_POINTS).max(1);
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / window as f64;
    windows
        .into_iter()
        .step_by(every)
        .map(|of_window| {
            (
                mean(&mut of_window.iter().map(|point| point.0)),
                mean(&mut of_window.iter().map(|point| point.1)),
            )
        })
        .collect()
}

/// How the points of a line are marked.
#[derive(Clone, Copy)]
enum Dots {
    Filled,
    Hollow,
}

struct Line {
    label: String,
    color: RGBColor,
    /// In pixels.
    width: u32,
    dots: Option<Dots>,
    points: Vec<Point>,
}

impl Line {
    fn new(label: &str, color: RGBColor, width: u32, points: Vec<Point>) -> Self {
        // XML does not allow control characters.
        let mut letters: Vec<char> = label
            .chars()
            .map(|letter| if allowed(letter) { letter } else { ' ' })
            .collect();
        if letters.len() > LABEL_LETTERS {
            letters.truncate(LABEL_LETTERS - 1);
            letters.push('…');
        }
        Self {
            label: letters.into_iter().collect(),
            color,
            width,
            dots: (points.len() < FEW_POINTS).then_some(Dots::Filled),
            points,
        }
    }

    fn style(&self) -> ShapeStyle {
        self.color.stroke_width(self.width * SCALE)
    }

    /// A mark of the line at a point of the chart or a pixel of the legend.
    fn dot<P>(&self, dots: Dots, place: P) -> Circle<P, u32> {
        let style = match dots {
            Dots::Filled => self.color.filled(),
            Dots::Hollow => self.color.stroke_width(SCALE),
        };
        Circle::new(place, (self.width + 1) * SCALE, style)
    }
}

/// Whether XML allows a character.
fn allowed(letter: char) -> bool {
    !letter.is_control() && !matches!(letter, '\u{fffe}' | '\u{ffff}')
}

/// Draws lines over steps; `None` if they have no points.
fn draw(
    name: &'static str,
    y_label: &str,
    zero: Zero,
    lines: &[Line],
) -> Result<Option<String>, TrainError> {
    let lines: Vec<&Line> = lines
        .iter()
        .filter(|line| !line.points.is_empty())
        .collect();
    if lines.is_empty() {
        return Ok(None);
    }
    let mut svg = String::new();
    paint(&mut svg, y_label, zero, &lines).map_err(|source| TrainError::Chart {
        name: format!("{}.svg", name.replace(' ', "_")),
        source: Box::new(source),
    })?;
    // The displayed size, unlike that of the coordinates, and a label for screen readers.
    let content = svg.split_once('>').map_or("", |(_, content)| content);
    let ((width, height), scale) = (SIZE, SCALE);
    Ok(Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{name} per step\">{content}",
        width * scale,
        height * scale
    )))
}

fn paint(svg: &mut String, y_label: &str, zero: Zero, lines: &[&Line]) -> Result<(), DrawingError> {
    let canvas = SVGBackend::with_string(svg, (SIZE.0 * SCALE, SIZE.1 * SCALE)).into_drawing_area();
    canvas.fill(&WHITE)?;
    let area = legend(&canvas, lines)?;
    let points = || lines.iter().flat_map(|line| &line.points);
    let x = Axis::steps(points().map(|point| point.0));
    let y = Axis::values(points().map(|point| point.1), zero);
    let mut chart = ChartBuilder::on(&area)
        .margin(10 * SCALE)
        .margin_right(24 * SCALE)
        .x_label_area_size(46 * SCALE)
        .y_label_area_size(76 * SCALE)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .bold_line_style(GRID.stroke_width(SCALE))
        .light_line_style(TRANSPARENT)
        .axis_style(RGBColor(150, 150, 150).stroke_width(SCALE))
        .set_all_tick_mark_size(5 * SCALE)
        .label_style(text_style(13))
        .axis_desc_style(text_style(14))
        .x_desc("step")
        .y_desc(y_label)
        .draw()?;
    for line in lines {
        if line.points.len() > 1 {
            chart.draw_series(LineSeries::new(line.points.iter().copied(), line.style()))?;
        }
        if let Some(dots) = line.dots {
            chart.draw_series(line.points.iter().map(|point| line.dot(dots, *point)))?;
        }
    }
    drop(chart);
    canvas.present()
}

fn text_style(pixels: u32) -> TextStyle<'static> {
    // The size in plotters is the line height: 1.24 times that of the letters.
    ("sans-serif", 1.24 * f64::from(pixels * SCALE))
        .into_font()
        .color(&TEXT)
}

/// Writes the legend at the top if there are several lines, and returns the rest of the canvas.
fn legend<'a>(canvas: &Canvas<'a>, lines: &[&Line]) -> Result<Canvas<'a>, DrawingError> {
    const MARK: u32 = 22;
    const ROW: u32 = 20;
    const LEFT: u32 = 86;
    if lines.len() < 2 {
        return Ok(canvas.clone());
    }
    // An estimate of the width of 13 pixel letters; it cannot be measured without fonts.
    let letters = lines.iter().map(|line| line.label.chars().count()).max();
    let cell = 7 * letters.unwrap_or(0) as u32 + MARK + 26;
    let columns = ((SIZE.0 - LEFT) / cell).max(1) as usize;
    let rows = lines.len().div_ceil(columns).min(LEGEND_ROWS);
    let height = rows as u32 * ROW + 8;
    let (above, below) = canvas.split_vertically(height * SCALE);
    let style = text_style(13).pos(Pos::new(HPos::Left, VPos::Center));
    let pixel = |number: u32| (number * SCALE) as i32;
    for (place, line) in lines.iter().enumerate().take(rows * columns) {
        let left = LEFT + (place % columns) as u32 * cell;
        let middle = pixel((place / columns) as u32 * ROW + ROW / 2 + 6);
        let text = (pixel(left + MARK + 6), middle);
        let left_out = lines.len() - place;
        if place + 1 == rows * columns && left_out > 1 {
            above.draw(&Text::new(
                format!("and {left_out} more"),
                text,
                style.clone(),
            ))?;
            continue;
        }
        let mark = vec![(pixel(left), middle), (pixel(left + MARK), middle)];
        above.draw(&PathElement::new(mark, line.style()))?;
        if let Some(dots) = line.dots {
            above.draw(&line.dot(dots, (pixel(left + MARK / 2), middle)))?;
        }
        above.draw(&Text::new(line.label.as_str(), text, style.clone()))?;
    }
    Ok(below)
}

#[cfg(test)]
mod tests;
