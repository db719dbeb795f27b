package bolt

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// ahead keeps written room behind the pages in use. A sync that has to make the file longer, or to give a hole its
// blocks, changes the file system too, and takes about twice as long as one that writes over blocks the file has. So
// zeros are written before the pages are, in steps, and belong to the commit that comes next. Who has the turn uses it.
type ahead struct {
	file *os.File // bbolt's
	end  int64    // there is written room up to here
}

const (
	aheadStep = 512 << 10
	aheadLow  = 64 << 10 // written anew when less is left
)

// keep writes room when little is left behind used, unless this transaction alone would fill it: then writing twice
// costs more than it saves. A full disk is no error here: the transaction itself finds out whether it has enough.
func (a *ahead) keep(used, most int64) error {
	if a.end = max(a.end, used); a.end-used >= aheadLow || (most > 0 && a.end+aheadStep > most) {
		return nil
	}
	n, err := a.file.WriteAt(make([]byte, aheadStep), a.end)
	a.end += int64(n)
	var path *fs.PathError
	if errors.As(err, &path) && (errors.Is(path, syscall.ENOSPC) || errors.Is(path, syscall.EDQUOT) || errors.Is(path, syscall.EROFS)) {
		return nil
	}
	return err
}
