import { type ReactNode, useEffect } from "react";

/** A page's heading, its controls, and its name in the browser's tab. */
export function Page({
  title,
  controls,
  children,
}: {
  title: string;
  controls?: ReactNode;
  children: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · meterd`;
  }, [title]);
  return (
    <div className="mx-auto flex w-full max-w-7xl flex-col gap-4 p-4 sm:p-6">
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
        <h1 className="min-w-0 truncate text-xl font-semibold tracking-tight" title={title}>
          {title}
        </h1>
        {controls && <div className="flex flex-wrap items-center gap-2">{controls}</div>}
      </div>
      {children}
    </div>
  );
}
