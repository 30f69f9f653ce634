import { createContext, useCallback, useContext, useEffect, useState, type ReactNode } from 'react';

const ToastContext = createContext<(text: string) => void>(() => {});

/** Says a word that needs no answer: "Copied". */
export function useToast(): (text: string) => void {
  return useContext(ToastContext);
}

export function ToastProvider({ children }: { readonly children: ReactNode }) {
  const [toast, setToast] = useState<{ text: string }>();
  useEffect(() => {
    if (toast === undefined) return undefined;
    const timer = setTimeout(() => setToast(undefined), 2000);
    return () => clearTimeout(timer);
  }, [toast]);
  const say = useCallback((text: string) => setToast({ text }), []);
  return (
    <ToastContext value={say}>
      {children}
      <div role="status">{toast !== undefined && <p className="toast">{toast.text}</p>}</div>
    </ToastContext>
  );
}

/** Copies and says so; says what to do where the browser forbids it (pages without HTTPS). */
export function useCopy(): (text: string, what: string) => Promise<void> {
  const say = useToast();
  return useCallback(async (text: string, what: string) => {
    say((await copyText(text)) ? `${what} copied` : 'The browser does not allow copying here: select the text and copy it');
  }, [say]);
}

async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // No clipboard without HTTPS: the old way still works there.
    const area = document.createElement('textarea');
    const focused = document.activeElement;
    area.value = text;
    area.className = 'unseen';
    document.body.append(area);
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return copied;
  }
}
