// Reads a profile with Google's own pprof package and prints what it found, as JSON: the oracle of the pprof export's test.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/google/pprof/profile"
)

type found struct {
	SampleTypes []string         `json:"sampleTypes"`
	Default     string           `json:"default"`
	Totals      []int64          `json:"totals"`
	Stacks      map[string]int64 `json:"stacks"`
	Mappings    []string         `json:"mappings"`
	Labels      []string         `json:"labels"`
	TimeNanos   int64            `json:"timeNanos"`
	Duration    int64            `json:"durationNanos"`
	Comments    []string         `json:"comments"`
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	p, err := profile.Parse(file)
	if err != nil {
		return err
	}
	if err := p.CheckValid(); err != nil {
		return err
	}
	out := found{
		Default: p.DefaultSampleType, Totals: make([]int64, len(p.SampleType)), Stacks: map[string]int64{},
		TimeNanos: p.TimeNanos, Duration: p.DurationNanos, Comments: p.Comments,
	}
	for _, t := range p.SampleType {
		out.SampleTypes = append(out.SampleTypes, t.Type+"/"+t.Unit)
	}
	for _, m := range p.Mapping {
		out.Mappings = append(out.Mappings, fmt.Sprintf("%s %s %d-%d functions=%v inlines=%v", m.File, m.BuildID, m.Start, m.Limit, m.HasFunctions, m.HasInlineFrames))
	}
	labels := map[string]bool{}
	for _, s := range p.Sample {
		for i, v := range s.Value {
			out.Totals[i] += v
		}
		out.Stacks[stackOf(s)] += s.Value[1]
		for key, values := range s.Label {
			labels[key+"="+strings.Join(values, ",")] = true
		}
		for key, values := range s.NumLabel {
			labels[fmt.Sprintf("%s:%v", key, values)] = true
		}
	}
	for label := range labels {
		out.Labels = append(out.Labels, label)
	}
	sort.Strings(out.Labels)
	return json.NewEncoder(os.Stdout).Encode(out)
}

// Outermost first; inlined functions and addresses without a name spelled out.
func stackOf(s *profile.Sample) string {
	var names []string
	for i := len(s.Location) - 1; i >= 0; i-- {
		l := s.Location[i]
		if len(l.Line) == 0 {
			names = append(names, fmt.Sprintf("?0x%x", l.Address))
		}
		for j := len(l.Line) - 1; j >= 0; j-- {
			names = append(names, l.Line[j].Function.Name)
		}
	}
	return strings.Join(names, ";")
}
