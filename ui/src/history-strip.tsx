import type { HistoryEntry } from './history.ts';

export interface HistoryStripProps {
  readonly entries: readonly HistoryEntry[];
  /** The entry that the page shows now. */
  readonly current: string | undefined;
  readonly onOpen: (entry: HistoryEntry) => void;
}

export function HistoryStrip({ entries, current, onOpen }: HistoryStripProps) {
  return (
    <section className="history" aria-label="History">
      <h2>History</h2>
      {entries.length === 0 && <p className="caption">Runs are kept here until this tab is closed.</p>}
      <ol className="history-list">
        {entries.map((entry) => (
          <li key={entry.id}>
            <button type="button" className="history-item" aria-current={entry.id === current} onClick={() => onOpen(entry)}>
              {entry.input.image !== undefined && <img src={entry.input.image} alt="" />}
              <span>
                <span className="history-answer">{entry.output}</span>
                <span className="history-input">{entry.input.text === '' ? `version ${entry.version}` : entry.input.text}</span>
              </span>
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}
