import { useState } from 'react';
import { areProbabilities, formatScore, type LabelScore } from './label-scores.ts';

const shownAtFirst = 10;
/** A label of more characters stands above its bar. */
const longestBeside = 24;

/** The winner large, then one bar a label. Scores that are no probabilities are drawn relative to the largest. */
export function ScoreBars({ scores, headline = true }: { readonly scores: readonly LabelScore[]; readonly headline?: boolean }) {
  const [all, setAll] = useState(false);
  const probability = areProbabilities(scores);
  const largest = Math.max(...scores.map(({ score }) => Math.abs(score)), Number.MIN_VALUE);
  const best = scores[0]!;
  const shown = all ? scores : scores.slice(0, shownAtFirst);
  const above = shown.some(({ label }) => label.length > longestBeside);
  return (
    <div className="output-part" style={{ gap: 20 }}>
      {headline && (
        <p className="headline" data-length={lengthOf(best.label)}>
          <span className="headline-label">{best.label}</span>
          <span className="headline-score">{formatScore(best.score, probability)}</span>
        </p>
      )}
      <ol className="bars" data-above={above} aria-label="Scores">
        {shown.map(({ label, score }, index) => (
          <li key={index}>
            <span className="bar-label" title={label}>{label}</span>
            <span className="bar-track" aria-hidden="true"><span className="bar-fill" style={{ transform: `scaleX(${Math.max(0, probability ? Math.min(1, score) : Math.abs(score) / largest)})` }} /></span>
            <span className="bar-value">{formatScore(score, probability)}</span>
          </li>
        ))}
      </ol>
      {scores.length > shownAtFirst && <p><button type="button" className="button plain small" aria-expanded={all} onClick={() => setAll(!all)}>{all ? 'Show fewer' : `Show all ${scores.length}`}</button></p>}
    </div>
  );
}

/** What is large when short is smaller when long. */
function lengthOf(label: string): 'short' | 'long' | 'longest' {
  return label.length <= 28 ? 'short' : label.length <= 90 ? 'long' : 'longest';
}
