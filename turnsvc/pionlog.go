package turnsvc

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// levelPion is below debug: pion has a line for every packet there.
const levelPion = slog.LevelDebug - 4

// pionLog hands the lines of pion to slog. Nearly all that pion warns of can be
// caused by strangers, so what it calls an error is at debug level here.
type pionLog struct{ log *slog.Logger }

// NewLogger is the logger of one part of pion.
func (p pionLog) NewLogger(scope string) logging.LeveledLogger {
	return pionLog{p.log.With("pion", scope)}
}

func (p pionLog) Trace(msg string)                  { p.line(levelPion, "%s", msg) }
func (p pionLog) Tracef(format string, args ...any) { p.line(levelPion, format, args...) }
func (p pionLog) Debug(msg string)                  { p.line(levelPion, "%s", msg) }
func (p pionLog) Debugf(format string, args ...any) { p.line(levelPion, format, args...) }
func (p pionLog) Info(msg string)                   { p.line(levelPion, "%s", msg) }
func (p pionLog) Infof(format string, args ...any)  { p.line(levelPion, format, args...) }
func (p pionLog) Warn(msg string)                   { p.line(slog.LevelDebug, "%s", msg) }
func (p pionLog) Warnf(format string, args ...any)  { p.line(slog.LevelDebug, format, args...) }
func (p pionLog) Error(msg string)                  { p.line(slog.LevelDebug, "%s", msg) }
func (p pionLog) Errorf(format string, args ...any) { p.line(slog.LevelDebug, format, args...) }

// line formats only what somebody will read.
func (p pionLog) line(level slog.Level, format string, args ...any) {
	ctx := context.Background()
	if p.log.Enabled(ctx, level) {
		p.log.Log(ctx, level, "pion says", "text", fmt.Sprintf(format, args...))
	}
}
