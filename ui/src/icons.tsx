/** Drawn on a 16-pixel grid with one line width. Decorative: the control that holds one has its own name. */
const paths = {
  menu: 'M2.5 4.5h11M2.5 8h11M2.5 11.5h11',
  search: 'M7 12a5 5 0 1 0 0-10 5 5 0 0 0 0 10ZM10.7 10.7 14 14',
  chevron: 'm6 3.5 4.5 4.5L6 12.5',
  down: 'm4 6 4 4 4-4',
  close: 'm4 4 8 8M12 4l-8 8',
  send: 'M8 13V3.5M4 7.5l4-4 4 4',
  copy: 'M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z',
  link: 'M6.5 9.5a3 3 0 0 0 4.2 0l2-2a3 3 0 0 0-4.2-4.2l-.8.8M9.5 6.5a3 3 0 0 0-4.2 0l-2 2a3 3 0 0 0 4.2 4.2l.8-.8',
  download: 'M8 2v8m0 0L4.8 6.8M8 10l3.2-3.2M2.5 13.5h11',
  undo: 'M5.5 3 2.5 6l3 3M2.5 6h7a4 4 0 0 1 0 8H6',
  trash: 'M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.5 9h6l.5-9',
  image: 'M2.5 3h11v10h-11zM2.5 11l3-3 2.5 2.5L10.5 8l3 3M10.5 6h.01',
  camera: 'M2.5 5h2.500l1-1.500h4L11 5h2.500v8h-11zM8 11a2.3 2.3 0 1 0 0-4.6A2.3 2.3 0 0 0 8 11Z',
  sun: 'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM8 1v1.500M8 13.500V15M1 8h1.500M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1',
  moon: 'M13.5 9.500A6 6 0 0 1 6.5 2.500a6 6 0 1 0 7 7Z',
  system: 'M2 3h12v8H2zM6 14h4M8 11v3',
  chart: 'M2.5 13.500h11M4 11V8M8 11V3M12 11V6',
  book: 'M8 4c-1.5-1-3.5-1.3-5.5-1v9.500c2-.3 4 0 5.5 1 1.5-1 3.5-1.3 5.5-1V3c-2-.3-4 0-5.5 1Zm0 0v9.5',
  code: 'm5.5 4-4 4 4 4M10.5 4l4 4-4 4',
  warning: 'M8 2 14.5 13.500h-13zM8 6.500v3.200M8 11.700v.01',
  unplugged: 'M2 2l12 12M6 3v2.500M10 3v3.500M4.5 6.500v1a3.5 3.5 0 0 0 5.3 3M11.5 8.500v-2H9M8 11v3',
  key: 'M10 9.500a3.5 3.5 0 1 0-3.3-2.300L2 12v2h2.500v-1.500H6V11l1.200-1.200c.8-.2 1.800-.3 2.800-.3ZM10.800 5.200h.01',
  clock: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.800V8l2.200 1.5',
  file: 'M4 1.8h5.500L12.500 5v9.200H4zM9.200 1.800V5.200h3.300',
  sound: 'M2.500 6.500v3M5.200 4v8M8 2v12M10.800 4.800v6.400M13.500 6.500v3',
  microphone: 'M8 10a2.300 2.300 0 0 0 2.300-2.300V4a2.300 2.300 0 0 0-4.600 0v3.700A2.300 2.300 0 0 0 8 10ZM3.500 7.500a4.500 4.500 0 0 0 9 0M8 12v2.500',
  stop: 'M4 4h8v8H4z',
  plus: 'M8 3v10M3 8h10',
  flag: 'M3.500 14.500v-13M3.500 2.500h9l-2 3 2 3h-9',
  grid: 'M2.500 2.500h4.500V7H2.500zM9 2.500h4.500V7H9zM2.500 9h4.500v4.500H2.500zM9 9h4.500v4.500H9z',
  stack: 'm8 2 6 3-6 3-6-3zM2 8l6 3 6-3M2 11l6 3 6-3',
  chat: 'M2.500 3h11v8H7l-3 2.500V11H2.500z',
  text: 'M3 3.500h10M3 6.500h10M3 9.500h10M3 12.500h6',
  slider: 'M2.500 5h5m3 0h3M9 5a1.500 1.500 0 1 0 0 .01M2.500 11h2m3 0h6M6 11a1.500 1.500 0 1 0 0 .01',
  box: 'M8 1.800 13.5 5v6L8 14.200 2.5 11V5zM2.5 5 8 8l5.5-3M8 8v6.200',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg className="icon-shape" width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.4" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}

export function Mark() {
  return (
    <svg width="20" height="20" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="currentColor" />
      <path d="M8 23V9.500l8 8.5 8-8.500V23" fill="none" stroke="var(--on-accent)" strokeWidth="3" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  );
}
