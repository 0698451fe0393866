package plot

import (
	"bytes"
	"image/png"
	"math"
	"testing"
)

func TestALineIsDrawnInItsColourWhereItsPointsAre(t *testing.T) {
	c := Chart{Title: "Cost", X: "subscribers", Y: "µs", Lines: []Line{
		{Name: "one", Points: []Point{{1, 0}, {10, 4}, {100, 8}}},
		{Name: "other", Points: []Point{{1, 8}, {100, 0}}},
	}}
	var b bytes.Buffer
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	at := canvas{low: 0, high: math.Log(100), most: 8}
	for _, p := range []struct {
		Point
		line int
	}{{Point{1, 0}, 0}, {Point{100, 8}, 0}, {Point{1, 8}, 1}, {Point{100, 0}, 1}} {
		if got := picture.At(at.x(p.X), at.y(p.Y)); got != inks[p.line] {
			t.Errorf("at %v there is %v, want %v", p.Point, got, inks[p.line])
		}
	}
}

func TestWhatIsOnNoScaleIsRefused(t *testing.T) {
	for _, points := range [][]Point{nil, {{0, 1}}, {{1, -1}}, {{math.NaN(), 1}}, {{1, math.Inf(1)}}} {
		if err := (Chart{Lines: []Line{{Points: points}}}).Write(&bytes.Buffer{}); err == nil {
			t.Errorf("%v was drawn", points)
		}
	}
}

func TestMarksAreRoundAndFew(t *testing.T) {
	for most, want := range map[float64]float64{0: 1, 1: 0.2, 8: 2, 9.4: 2, 38_000: 10_000, 0.3: 0.1} {
		if got := nice(most); math.Abs(got-want) > 1e-9 {
			t.Errorf("nice(%v) is %v, want %v", most, got, want)
		}
	}
	for v, want := range map[float64]string{0.1 + 0.2: "0.3", 1000: "1k", 2500: "2.5k", 999: "999", 18_000: "18k", 2.5: "2.5"} {
		if got := label(v); got != want {
			t.Errorf("label(%v) is %q, want %q", v, got, want)
		}
	}
}
