package demo

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"

	"github.com/belfry-social/belfry/modules/media"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
)

// scene is a view of hills below a sky, drawn by this program: nobody took it.
type scene struct {
	caption, alt     string
	above, low, land color.RGBA // the sky at its top and at the horizon, the nearest hill
	sun              color.RGBA
	height           float64 // of the sun, 0 = at the horizon
}

var scenes = []scene{
	{"First light. Nobody else was up.", "A pink dawn above dark blue hills", color.RGBA{72, 92, 160, 255},
		color.RGBA{255, 190, 160, 255}, color.RGBA{34, 44, 78, 255}, color.RGBA{255, 236, 190, 255}, 0.15},
	{"Noon from the top of the tower.", "Green hills below a clear sky with a high sun", color.RGBA{58, 140, 220, 255},
		color.RGBA{200, 230, 250, 255}, color.RGBA{46, 110, 60, 255}, color.RGBA{255, 252, 225, 255}, 0.7},
	{"The evening was worth the climb. #walks", "An orange sunset behind brown hills", color.RGBA{120, 60, 110, 255},
		color.RGBA{255, 150, 70, 255}, color.RGBA{70, 34, 40, 255}, color.RGBA{255, 220, 120, 255}, 0.1},
	{"So many stars tonight.", "A pale moon above black hills at night", color.RGBA{8, 12, 40, 255},
		color.RGBA{40, 60, 110, 255}, color.RGBA{6, 10, 20, 255}, color.RGBA{230, 235, 245, 255}, 0.55},
	{"Fog all the way to the river.", "Grey hills that fade into white fog", color.RGBA{190, 198, 205, 255},
		color.RGBA{235, 238, 240, 255}, color.RGBA{110, 122, 128, 255}, color.RGBA{248, 248, 244, 255}, 0.4},
	{"#morning by the lake", "Turquoise hills below a yellow sky", color.RGBA{250, 214, 120, 255},
		color.RGBA{255, 244, 214, 255}, color.RGBA{24, 104, 112, 255}, color.RGBA{255, 255, 255, 255}, 0.3},
}

// The size of a scene and of a face.
const sceneWidth, sceneHeight, faceSide = 960, 640, 192

// draw gives the scene with hills that depend on the seed.
func (s scene) draw(seed uint64) *image.RGBA {
	r := rand.New(rand.NewPCG(seed, 0x41115)) //nolint:gosec // the same seed draws the same hills
	m := image.NewRGBA(image.Rect(0, 0, sceneWidth, sceneHeight))
	const ridges = 4
	var phase, length [ridges][2]float64
	for i := range ridges {
		for j := range 2 {
			phase[i][j], length[i][j] = r.Float64()*2*math.Pi, 90+r.Float64()*160/float64(j+1)
		}
	}
	horizon := sceneHeight * 0.5
	sunX, sunY, sunR := sceneWidth*(0.25+r.Float64()/2), horizon*(1-s.height), 46.0
	for x := range sceneWidth {
		var top [ridges]float64
		for i := range ridges {
			top[i] = horizon + float64(i)*70 + 26*math.Sin(float64(x)/length[i][0]+phase[i][0]) +
				12*math.Sin(float64(x)/length[i][1]+phase[i][1])
		}
		for y := range sceneHeight {
			c := mix(s.above, s.low, float64(y)/horizon)
			if d := math.Hypot(float64(x)-sunX, float64(y)-sunY); d < sunR*3 {
				c = mix(s.sun, c, (d-sunR)/(2*sunR))
			}
			for i := range ridges {
				if float64(y) > top[i] {
					c = mix(s.low, s.land, float64(i+1)/ridges)
				}
			}
			m.SetRGBA(x, y, c)
		}
	}
	return m
}

// face draws an avatar: a head and shoulders in two of the person's colours.
func face(seed uint64) *image.RGBA {
	r := rand.New(rand.NewPCG(seed, 0xface)) //nolint:gosec // the same seed draws the same face
	shade := func(low, high int) color.RGBA {
		one := func() uint8 { return uint8(low + r.IntN(high-low)) } //nolint:gosec // below 256
		return color.RGBA{one(), one(), one(), 255}
	}
	back, coat, skin := shade(120, 230), shade(20, 140), mix(color.RGBA{242, 205, 172, 255},
		color.RGBA{104, 66, 44, 255}, r.Float64())
	m := image.NewRGBA(image.Rect(0, 0, faceSide, faceSide))
	for x := range faceSide {
		for y := range faceSide {
			fx, fy := float64(x)/faceSide-0.5, float64(y)/faceSide
			c := back
			if math.Hypot(fx/0.36, (fy-1.02)/0.38) < 1 {
				c = coat
			}
			if math.Hypot(fx/0.19, (fy-0.42)/0.23) < 1 {
				c = skin
			}
			m.SetRGBA(x, y, c)
		}
	}
	return m
}

// mix gives a at 0, b at 1, and what lies between.
func mix(a, b color.RGBA, part float64) color.RGBA {
	part = min(max(part, 0), 1)
	one := func(a, b uint8) uint8 { return uint8(float64(a) + part*(float64(b)-float64(a)) + 0.5) }
	return color.RGBA{one(a.R, b.R), one(a.G, b.G), one(a.B, b.B), 255}
}

// drawn is the file of an upload, in memory.
type drawn struct{ *bytes.Reader }

func (drawn) Keep()        {}
func (drawn) Close() error { return nil }

// send uploads a picture for somebody.
func (d *Demo) send(ctx context.Context, who social.Actor, m image.Image, alt string) (social.Media, error) {
	var out bytes.Buffer
	fast := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := fast.Encode(&out, m); err != nil {
		return social.Media{}, err
	}
	u := &social.Upload{File: drawn{bytes.NewReader(out.Bytes())}, Size: int64(out.Len())}
	return d.Media.Upload(ctx, who, media.Draft{Alt: alt}, u, nil)
}

// portray gives somebody a face.
func (d *Demo) portray(ctx context.Context, who social.Actor, n int) error {
	if d.Media == nil {
		return nil
	}
	m, err := d.send(ctx, who, face(d.Config.Seed+uint64(n)), "") //nolint:gosec // not negative
	if err != nil || m.State != social.MediaReady {
		return err // a slow machine goes without
	}
	id := m.ID.String()
	_, err = d.Users.UpdateMe(ctx, who, users.ProfileChange{AvatarMediaID: users.Change[string]{Set: true, Value: &id}})
	return err
}

// photograph makes every third post one with a picture.
func (d *Demo) photograph(ctx context.Context, who social.Actor, draft posts.Draft) (posts.Draft, error) {
	d.shots++
	if d.Media == nil || d.shots%3 != 1 {
		return draft, nil
	}
	n := d.shots / 3
	s := scenes[n%len(scenes)]
	m, err := d.send(ctx, who, s.draw(d.Config.Seed+uint64(n)), s.alt) //nolint:gosec // not negative
	if err != nil || m.State != social.MediaReady {
		return draft, err
	}
	draft.Text, draft.Media = s.caption, []social.ID{m.ID}
	return draft, nil
}
