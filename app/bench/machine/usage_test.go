package machine

import (
	"os"
	"runtime"
	"testing"
	"time"
)

// A stretch counts what the process does in it, and nothing from before it.
func TestMeasure(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems do not tell")
	}
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const size = 1 << 20
	write := func() {
		if _, err := f.WriteAt(make([]byte, size), 0); err != nil {
			t.Fatal(err)
		}
	}
	write()
	m := Measure(os.Getpid())
	write()
	for began := time.Now(); time.Since(began) < 5*time.Millisecond; {
		continue
	}
	u := m.End()
	if u.Written.Calls < size || u.Written.Calls >= 2*size {
		t.Errorf("%d bytes handed to write calls, want %d and little more", u.Written.Calls, size)
	}
	if !u.Known || u.Server <= 0 || u.Client <= 0 || u.Took < 5*time.Millisecond || u.Peak < size {
		t.Errorf("%+v", u)
	}
}

// Nothing is said of a process that is not known, and a directory that is not there is an error.
func TestNotKnown(t *testing.T) {
	if u := Measure(0).End(); u.Known || u.Server != 0 || u.Written != (Written{}) || u.Peak != 0 {
		t.Errorf("%+v", u)
	}
	if _, err := MemoryOf(0); err == nil {
		t.Error("the memory of no process is known")
	}
	if _, err := Describe(t.TempDir()+"/nowhere", "1"); err == nil {
		t.Error("a disk that is not there was measured")
	}
}

// A description has what figures mean nothing without, and the measurement of the disk leaves nothing behind.
func TestDescribe(t *testing.T) {
	dir := t.TempDir()
	d, err := Describe(dir, "v1")
	if err != nil || d.CPU == "" || d.Cores < 1 || d.Filesystem == "" || d.SyncMicros <= 0 || d.Version != "v1" {
		t.Errorf("%+v, %v", d, err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%s was left", left[0].Name())
	}
}
