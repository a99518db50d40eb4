// Scores of search results. tools/search_check.py contains the same numbers, and checks the order of
// the results for common words.

// Guides rank before other pages with the same score.
const PAGE_SCORES = [
  [/^(installation|tutorial|upgrading)$/, 3],
  [/^howto\//, 2],
  [/^(troubleshooting|faq)$/, 1],
  [/^(benchmarks|changelog|comparison|contributing)$/, -3],
];

var Scorer = {
  score([page, title, anchor, description, score, file, kind]) {
    const rank = PAGE_SCORES.find(([pattern]) => pattern.test(page));
    const titleScore = kind === "text" && hasSearchedWord(title) ? 10 : 0;
    return score + titleScore + (rank ? rank[1] : 0);
  },
  // The values of Sphinx, apart from objPrio: names in the code rank after headings.
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 0, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};

// Return whether a word of the query is in the title of a page, for example "install" in
// "Installation".
function hasSearchedWord(title) {
  const query = new URLSearchParams(window.location.search).get("q") || "";
  const stemmer = new Stemmer();
  const words = title.toLowerCase().split(/\W+/);
  return splitQuery(query.toLowerCase()).some((word) =>
    words.some((other) => other.startsWith(stemmer.stemWord(word))),
  );
}
