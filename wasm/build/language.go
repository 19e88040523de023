package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// mainLanguage is that of index.html, for visitors who want none that we have.
const mainLanguage = "en"

// language is one that the page speaks.
type language struct {
	Tag  string // BCP 47, a primary subtag: it names words.<tag>.json
	Name string // in the language itself

	words     map[string]string
	wordsFile pageFile // the words, for who changes to it
	check     map[string]string
	checkJSON string
}

// file is the name of a page in this language.
func (l language) file(page string) string {
	if l.Tag == mainLanguage {
		return page + ".html"
	}
	return page + "." + l.Tag + ".html"
}

// readLanguages reads every word that people see. The words of a language live
// in one file, for the sake of those who translate, but those of the check of a
// connection beside it: hardly anybody reads them, and nobody should have to load
// them for a chat. The main language comes first.
func readLanguages(sources fs.FS) ([]language, error) {
	names, err := fs.Glob(sources, "words.*.json")
	if err != nil {
		return nil, fmt.Errorf("list the words: %w", err)
	}
	var all []language
	for _, name := range names {
		tag := strings.TrimSuffix(strings.TrimPrefix(name, "words."), ".json")
		l := language{Tag: tag}
		var compact, check []byte
		if l.words, compact, err = readWords(sources, name); err != nil {
			return nil, err
		}
		if l.check, check, err = readWords(sources, "check."+tag+".json"); err != nil {
			return nil, err
		}
		l.Name = l.words["language"]
		l.wordsFile, l.checkJSON = fingerprint("words_"+tag+".json", compact), string(check)
		all = append(all, l)
	}
	first := slices.IndexFunc(all, func(l language) bool { return l.Tag == mainLanguage })
	if first < 0 {
		return nil, fmt.Errorf("read the words: no words.%s.json", mainLanguage)
	}
	all[0], all[first] = all[first], all[0]
	return all, nil
}

// readWords reads a file of words, and writes them down without white space.
func readWords(sources fs.FS, name string) (words map[string]string, compact []byte, err error) {
	text, err := fs.ReadFile(sources, name)
	if err != nil {
		return nil, nil, fmt.Errorf("read the words: %w", err)
	}
	if err := json.Unmarshal(text, &words); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	compact, err = json.Marshal(words) // sorted: the same words make the same file
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return words, compact, nil
}

// whereWordsAre tells the scripts which file has the words of which language.
func whereWordsAre(languages []language) (string, error) {
	files := map[string]string{}
	for _, l := range languages {
		files[l.Tag] = l.wordsFile.name
	}
	text, err := json.Marshal(files)
	if err != nil {
		return "", fmt.Errorf("list the words: %w", err)
	}
	return string(text), nil
}
