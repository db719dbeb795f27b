package picture

import (
	"image"
	stddraw "image/draw"
	"math"

	"golang.org/x/image/draw"
)

// fit gives the size of a picture of w x h so that its longer side is at most most; it never grows.
func fit(w, h, most int) (int, int) {
	long := max(w, h)
	if long <= most {
		return w, h
	}
	side := func(n int) int { return max(1, (n*most+long/2)/long) }
	return side(w), side(h)
}

// scale gives src in w x h pixels, not more than it has. The kernel is that of draw.CatmullRom. Its own scaler keeps
// the whole height of the source in floats of 64 bits, 200 MB for a photo of 12 megapixels; this one keeps the few rows
// from which a row of the result is made.
func scale(src image.Image, w, h int) *image.RGBA {
	b := src.Bounds()
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	if b.Dx() == w && b.Dy() == h {
		stddraw.Draw(dst, dst.Rect, src, b.Min, stddraw.Src)
		return dst
	}
	across, down := weights(w, b.Dx()), weights(h, b.Dy())
	line := image.NewRGBA(image.Rect(0, 0, b.Dx(), 1))
	rows := make([][]float32, 0, 16) // rows of the source, narrowed, from first on
	first := 0
	var spare [][]float32
	sum := make([]float32, 4*w)
	for y, d := range down {
		for len(rows) > 0 && first < d.from {
			spare, rows = append(spare, rows[0]), rows[1:]
			first++
		}
		if len(rows) == 0 {
			first = d.from
		}
		for first+len(rows) < d.from+len(d.part) {
			var row []float32
			if n := len(spare); n > 0 {
				row, spare = spare[n-1], spare[:n-1]
			} else {
				row = make([]float32, 4*w)
			}
			stddraw.Draw(line, line.Rect, src, image.Pt(b.Min.X, b.Min.Y+first+len(rows)), stddraw.Src)
			narrow(row, line.Pix, across)
			rows = append(rows, row)
		}
		clear(sum)
		for i, part := range d.part {
			for x, v := range rows[d.from-first+i] {
				sum[x] += part * v
			}
		}
		store(dst.Pix[y*dst.Stride:], sum)
	}
	return dst
}

// share is which of a row of numbers make one number of the result, and how much of each.
type share struct {
	from int
	part []float32
}

// weights gives the shares of n numbers made of m, which are not fewer: the kernel is as much wider as the result is
// smaller.
func weights(n, m int) []share {
	ratio := float64(m) / float64(n)
	half := draw.CatmullRom.Support * ratio
	out := make([]share, n)
	for i := range out {
		middle := (float64(i)+0.5)*ratio - 0.5
		from, to := max(0, int(math.Ceil(middle-half))), min(m-1, int(math.Floor(middle+half)))
		s := share{from: from, part: make([]float32, to-from+1)}
		total := 0.0
		for j := range s.part {
			v := draw.CatmullRom.At(math.Abs(float64(from+j)-middle) / ratio)
			s.part[j] = float32(v)
			total += v
		}
		for j := range s.part {
			s.part[j] /= float32(total)
		}
		out[i] = s
	}
	return out
}

// narrow makes a row of the width of the result out of one of the source.
func narrow(row []float32, line []byte, across []share) {
	for x, s := range across {
		var r, g, b, a float32
		pix := line[4*s.from:]
		for i, part := range s.part {
			p := pix[4*i : 4*i+4 : 4*i+4]
			r += part * float32(p[0])
			g += part * float32(p[1])
			b += part * float32(p[2])
			a += part * float32(p[3])
		}
		row[4*x], row[4*x+1], row[4*x+2], row[4*x+3] = r, g, b, a
	}
}

// store rounds a row into bytes. A colour is never more than its alpha, which the kernel, negative in parts, may make
// of it.
func store(pix []byte, sum []float32) {
	for i := 0; i < len(sum); i += 4 {
		a := min(max(sum[i+3]+0.5, 0), 255)
		pix[i], pix[i+1], pix[i+2], pix[i+3] = byte(min(max(sum[i]+0.5, 0), a)), byte(min(max(sum[i+1]+0.5, 0), a)),
			byte(min(max(sum[i+2]+0.5, 0), a)), byte(a)
	}
}
