// Package plot draws small line charts as PNG: how a cost grows. It draws what
// the bench needs and no more.
package plot

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"
	"slices"
	"strconv"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// A Chart has a logarithmic x axis, labelled at the points, and a y axis from 0.
type Chart struct {
	Title string
	X, Y  string // what the axes are
	Lines []Line // at most three
}

// A Line is what one server costs.
type Line struct {
	Name   string
	Points []Point
}

// A Point is a value at an x above 0.
type Point struct{ X, Y float64 }

// Sizes in pixels.
const (
	width, height = 640, 360
	left, right   = 64, 24
	top, bottom   = 64, 56
	dot, stroke   = 4, 1 // radius
)

var (
	paper = color.RGBA{0xff, 0xff, 0xff, 0xff}
	grid  = color.RGBA{0xe4, 0xe4, 0xe0, 0xff}
	ink   = color.RGBA{0x33, 0x33, 0x30, 0xff}
	inks  = []color.RGBA{{0x1f, 0x6f, 0xc9, 0xff}, {0xd0, 0x6a, 0x1c, 0xff}, {0x3b, 0x8f, 0x5a, 0xff}}
)

// A canvas is the image and the scales of a chart.
type canvas struct {
	*image.RGBA
	low, high float64 // logarithms of the x values at the sides
	most      float64 // y value at the top
}

// Write writes the chart as PNG. It fails when there is nothing to draw.
func (c Chart) Write(w io.Writer) error {
	picture, err := c.draw()
	if err != nil {
		return err
	}
	return png.Encode(w, picture)
}

func (c Chart) draw() (image.Image, error) {
	var xs []float64
	at := canvas{RGBA: image.NewRGBA(image.Rect(0, 0, width, height))}
	for _, line := range c.Lines {
		for _, p := range line.Points {
			if !(p.X > 0) || !(p.Y >= 0) || math.IsInf(p.X+p.Y, 0) {
				return nil, fmt.Errorf("draw %q: the point (%v, %v) is on no scale", c.Title, p.X, p.Y)
			}
			xs = append(xs, p.X)
			at.most = max(at.most, p.Y)
		}
	}
	if len(xs) == 0 || len(c.Lines) > len(inks) {
		return nil, fmt.Errorf("draw %q: %d lines with %d points", c.Title, len(c.Lines), len(xs))
	}
	slices.Sort(xs)
	xs = slices.Compact(xs)
	at.low, at.high = math.Log(xs[0]), math.Log(xs[len(xs)-1])
	if at.low == at.high {
		at.low, at.high = at.low-1, at.high+1
	}
	step := nice(at.most)
	at.most = max(step, math.Ceil(at.most/step)*step)
	draw.Draw(at, at.Bounds(), image.NewUniform(paper), image.Point{}, draw.Src)
	at.axes(c, xs, step)
	for i, line := range c.Lines {
		at.line(line, inks[i])
		x := left + 8 + i*200
		at.disc(x, top-24, dot, inks[i])
		at.text(x+12, top-20, line.Name, ink)
	}
	return at, nil
}

// nice is a round distance between about four marks on an axis up to most.
func nice(most float64) float64 {
	if most <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(most/4)))
	for _, n := range []float64{1, 2, 2.5, 5} {
		if most/(n*unit) <= 5 {
			return n * unit
		}
	}
	return 10 * unit
}

func (at canvas) axes(c Chart, xs []float64, step float64) {
	for i := 0; float64(i)*step <= at.most*1.001; i++ {
		y := at.y(float64(i) * step)
		at.fill(image.Rect(left, y, width-right, y+1), grid)
		label := label(float64(i) * step)
		at.text(left-8-measure(label), y+4, label, ink)
	}
	end := 0 // of the last label
	for _, x := range xs {
		label := label(x)
		from := at.x(x) - measure(label)/2
		at.fill(image.Rect(at.x(x), height-bottom, at.x(x)+1, height-bottom+5), ink)
		if from > end+6 {
			at.text(from, height-bottom+18, label, ink)
			end = from + measure(label)
		}
	}
	at.fill(image.Rect(left, height-bottom, width-right, height-bottom+1), ink)
	at.text(left, 20, c.Title+" ("+c.Y+")", ink)
	at.text(width-right-measure(c.X), height-14, c.X, ink)
}

func (at canvas) x(v float64) int {
	return left + 24 + int((math.Log(v)-at.low)/(at.high-at.low)*(width-left-right-48))
}

func (at canvas) y(v float64) int {
	return height - bottom - int(v/at.most*(height-top-bottom))
}

func (at canvas) line(l Line, in color.Color) {
	points := slices.SortedFunc(slices.Values(l.Points), func(a, b Point) int { return int(math.Copysign(1, a.X-b.X)) })
	for i, p := range points {
		x, y := at.x(p.X), at.y(p.Y)
		at.disc(x, y, dot, in)
		if i == 0 {
			continue
		}
		fromX, fromY := at.x(points[i-1].X), at.y(points[i-1].Y)
		n := max(abs(x-fromX), abs(y-fromY), 1)
		for k := range n {
			at.disc(fromX+(x-fromX)*k/n, fromY+(y-fromY)*k/n, stroke, in)
		}
	}
}

func abs(v int) int { return max(v, -v) }

func (at canvas) fill(r image.Rectangle, in color.Color) {
	draw.Draw(at, r, image.NewUniform(in), image.Point{}, draw.Src)
}

func (at canvas) disc(x, y, radius int, in color.Color) {
	for dx := -radius; dx <= radius; dx++ {
		for dy := -radius; dy <= radius; dy++ {
			if dx*dx+dy*dy <= radius*radius {
				at.Set(x+dx, y+dy, in)
			}
		}
	}
}

func (at canvas) text(x, y int, s string, in color.Color) {
	pen := font.Drawer{Dst: at, Src: image.NewUniform(in), Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
	pen.DrawString(s)
}

func measure(s string) int { return font.MeasureString(basicfont.Face7x13, s).Ceil() }

// label spells a number on an axis: 2.5, 400, 12.5k.
func label(v float64) string {
	unit := ""
	if v >= 1000 {
		v, unit = v/1000, "k"
	}
	return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64) + unit
}
