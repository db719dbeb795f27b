package frames

import "github.com/belfry-social/belfry/modules/social"

// MaxJoin bounds one write.
const MaxJoin = 64 << 10

// Joined is one write being put together: blocks, and the position each of them delivers. Its buffer is used
// again for the next one, and so is what stands in it: a frame that was joined at the same place before is not
// copied again. After a post most connections lack the same.
type Joined struct {
	buf    []byte
	marks  []Mark
	count  int  // how many marks belong to the write at hand; those behind are of the one before
	frames bool // buf holds whole frames in the form of preset
	preset *Preset

	Built uint64 // bytes of frames copied so far, for tests
}

// Mark is the end of a block: when the kernel has taken the bytes up to End, the connection is at Pos.
type Mark struct {
	End int
	Pos social.Position
}

func (j *Joined) Reset() {
	j.buf, j.marks, j.count, j.frames = j.buf[:0], j.marks[:0], 0, false
}

// Begin begins a write of frames in the form of a preset.
func (j *Joined) Begin(p *Preset) {
	if !j.frames || j.preset != p {
		j.Reset()
		j.frames, j.preset = true, p
	}
	j.count = 0
}

// Add appends bytes that are no frame of the tail: after Reset only.
func (j *Joined) Add(block []byte, pos social.Position) {
	j.buf = append(j.buf, block...)
	j.marks = append(j.marks, Mark{len(j.buf), pos})
	j.count++
}

// AddFrame appends a frame, after Begin, and reports whether it fits; into an empty write everything does.
func (j *Joined) AddFrame(f *Frame) bool {
	if j.count < len(j.marks) && j.marks[j.count].Pos == f.Pos {
		j.count++
		return true
	}
	end, block := len(j.Bytes()), j.preset.block(f)
	if j.count > 0 && end+len(block) > MaxJoin {
		return false
	}
	j.buf, j.marks = j.buf[:end], j.marks[:j.count]
	j.Add(block, f.Pos)
	j.Built += uint64(len(block))
	return true
}

// AddEvent encodes an event at the end, after Reset, and reports whether it fits.
func (j *Joined) AddEvent(e social.Event, p *Preset) bool {
	start := len(j.buf)
	if p == nil {
		j.buf, _ = appendEvent(j.buf, e)
	} else {
		f := Of(e)
		j.buf = append(j.buf, p.block(&f)...)
	}
	if start > 0 && len(j.buf) > MaxJoin {
		j.buf = j.buf[:start]
		return false
	}
	j.Add(nil, e.Cursor.Seq)
	return true
}

func (j *Joined) Bytes() []byte {
	if j.count == 0 {
		return nil
	}
	return j.buf[:j.marks[j.count-1].End]
}

// Marks are the ends of the blocks of Bytes.
func (j *Joined) Marks() []Mark { return j.marks[:j.count] }
