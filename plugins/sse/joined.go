package sse

import "github.com/belfry-social/belfry/modules/social"

// maxJoin bounds one write.
const maxJoin = 64 << 10

// joined is one write being put together: blocks, and what each of them delivers. Its buffer is used again for
// the next one.
//
// What was put together for one connection serves the next as far as both lack the same: after a post most do.
// begin starts over, and a frame that stands there already, at the same place, is not copied again.
type joined struct {
	buf    []byte
	marks  []mark
	count  int  // how many marks belong to the write at hand; those behind are of the one before
	frames bool // buf holds whole frames in the form of preset, and may be used again
	preset *preset
	built  uint64 // bytes copied so far
}

// mark is the end of a block: when the kernel has taken the bytes up to end, the connection is at pos.
type mark struct {
	end int
	pos social.Position
}

// reset begins a write of whatever.
func (j *joined) reset() {
	j.buf, j.marks, j.count, j.frames = j.buf[:0], j.marks[:0], 0, false
}

// begin begins a write of frames in the form of a preset.
func (j *joined) begin(p *preset) {
	if !j.frames || j.preset != p {
		j.reset()
		j.frames, j.preset = true, p
	}
	j.count = 0
}

// add appends a block that is no frame of the tail, or only a part of one.
func (j *joined) add(block []byte, pos social.Position) {
	j.buf = append(j.buf, block...)
	j.marks = append(j.marks, mark{len(j.buf), pos})
	j.count++
}

// addFrame appends a frame and reports whether it fits; into an empty write everything does.
func (j *joined) addFrame(f *frame) bool {
	end := j.end()
	if j.count < len(j.marks) && j.marks[j.count].pos == f.pos {
		j.count++ // the same frame at the same place: it did fit
		return true
	}
	block := j.preset.block(f)
	if j.count > 0 && end+len(block) > maxJoin {
		return false
	}
	j.buf, j.marks = j.buf[:end], j.marks[:j.count]
	j.add(block, f.pos)
	j.built += uint64(len(block))
	return true
}

// end is the length of the write at hand.
func (j *joined) end() int {
	if j.count == 0 {
		return 0
	}
	return j.marks[j.count-1].end
}

// bytes and blocks are the write at hand.
func (j *joined) bytes() []byte  { return j.buf[:j.end()] }
func (j *joined) blocks() []mark { return j.marks[:j.count] }
