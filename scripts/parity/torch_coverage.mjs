/** Writes a table of results of one front end of PyTorch as a page of the docs. */
import { writeFileSync } from 'node:fs';

/** `introduction`: what stands before the table, in Markdown. */
export function writeCoverage(cases, file, frontEnd, introduction = '') {
  const rows = Object.entries(cases).map(([name, row]) => ({ group: name.slice(0, name.indexOf('/')), name: name.slice(name.indexOf('/') + 1), ...row }));
  const groups = [...new Set(rows.map((row) => row.group))];
  const count = (list, verdict) => list.filter((row) => row.verdict === verdict).length;
  const summary = groups.map((group) => {
    const list = rows.filter((row) => row.group === group);
    return `| ${group} | ${list.length} | ${count(list, 'agrees')} | ${count(list, 'refused')} | ${count(list, 'failed')} | ${count(list, 'no export')} | ${count(list, 'WRONG')} |`;
  });
  const line = (row) => `| ${row.group} | ${row.name} | ${row.verdict} | ${row.batches === 2 ? 'varies' : row.batches === 1 ? 'fixed by the export' : ''} | ${(row.detail ?? '').replaceAll('|', '\\|').replaceAll('<', '&lt;')} |`;
  writeFileSync(
    file,
    `# What is imported from ${frontEnd}

${introduction}Models made by the real frameworks with random weights, saved, imported, run at two batch sizes from one import, and compared with PyTorch: numbers are within the noise of
float32 (PyTorch in float64 is the measure), whole numbers are equal, and so is the place of the largest. \`no export\` is what PyTorch itself could not save. torchvision's models
get pictures of 64 pixels a side where they take any size; timm's, a small entry of each of its modules, those of their own size, or of 128 pixels where they take any.

| group | models | agree | refused by name | failed | no export | WRONG |
|---|---|---|---|---|---|---|
${summary.join('\n')}

| group | model | verdict | batch | reason |
|---|---|---|---|---|
${rows.map(line).join('\n')}
`,
  );
}
