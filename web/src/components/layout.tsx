import { Link, Outlet } from "@tanstack/react-router";
import {
  Activity,
  Building2,
  ChartNoAxesCombined,
  KeyRound,
  LogOut,
  MailWarning,
  Menu,
  Monitor,
  Moon,
  Rocket,
  Search,
  Sun,
  Unplug,
} from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { reachable } from "@/api/client";
import { Button } from "@/components/ui/button";
import { Kbd } from "@/components/ui/kbd";
import { session } from "@/lib/session";
import { useShortcuts } from "@/lib/shortcuts";
import { useStore } from "@/lib/store";
import { type Theme, theme } from "@/lib/theme";

const CommandPalette = lazy(() => import("./command-palette"));
const MobileMenu = lazy(() => import("./mobile-menu"));
const ShortcutSheet = lazy(() => import("./shortcut-sheet"));

export const PAGES = [
  { to: "/", label: "Dashboard", icon: ChartNoAxesCombined },
  { to: "/tenants", label: "Tenants", icon: Building2 },
  { to: "/events", label: "Events", icon: Activity },
  { to: "/dead-letters", label: "Dead letters", icon: MailWarning },
  { to: "/keys", label: "API keys", icon: KeyRound },
  { to: "/start", label: "Get started", icon: Rocket },
] as const;

/** The frame around every page of someone who has given a key. */
export function Layout() {
  const [dialog, setDialog] = useState<"palette" | "shortcuts" | "menu" | null>(null);
  useShortcuts({ palette: () => setDialog("palette"), shortcuts: () => setDialog("shortcuts") });
  const close = (open: boolean) => !open && setDialog(null);
  return (
    <div className="flex min-h-dvh flex-col lg:flex-row">
      <a
        href="#content"
        className="sr-only z-50 rounded-md bg-primary px-3 py-2 text-primary-foreground focus:not-sr-only focus:absolute focus:top-2 focus:left-2"
      >
        Skip to content
      </a>
      <aside className="sticky top-0 hidden h-dvh w-52 shrink-0 flex-col border-r bg-sidebar p-3 lg:flex">
        <Brand />
        <Navigation />
        <div className="mt-auto flex flex-col gap-2">
          <PaletteButton onClick={() => setDialog("palette")} />
          <Session />
        </div>
      </aside>
      <header className="sticky top-0 z-30 flex items-center justify-between gap-2 border-b bg-sidebar px-3 py-2 lg:hidden">
        <div className="flex items-center gap-1">
          <Button variant="ghost" size="icon" aria-label="Menu" onClick={() => setDialog("menu")}>
            <Menu aria-hidden />
          </Button>
          <Brand />
        </div>
        <Session />
      </header>
      <main id="content" tabIndex={-1} className="min-w-0 flex-1 outline-none">
        <Unreachable />
        <Outlet />
      </main>
      <Suspense>
        {dialog === "palette" && (
          <CommandPalette onOpenChange={close} onShortcuts={() => setDialog("shortcuts")} />
        )}
        {dialog === "menu" && (
          <MobileMenu onOpenChange={close}>
            <Navigation onNavigate={() => setDialog(null)} />
          </MobileMenu>
        )}
        {dialog === "shortcuts" && <ShortcutSheet onOpenChange={close} />}
      </Suspense>
    </div>
  );
}

function Brand() {
  return (
    <Link to="/" className="flex items-center gap-2 rounded-md px-2 py-1.5 font-semibold tracking-tight">
      <img src="/icon.svg" alt="" width={20} height={20} />
      meterd
    </Link>
  );
}

function Navigation({ onNavigate }: { onNavigate?: () => void }) {
  return (
    <nav aria-label="Pages" className="mt-3 flex flex-col gap-0.5">
      {PAGES.map(({ to, label, icon: Icon }) => (
        <Link
          key={to}
          to={to}
          activeOptions={{ exact: to === "/", includeSearch: false }}
          {...(onNavigate ? { onClick: onNavigate } : {})}
          className="flex h-8 items-center gap-2.5 rounded-md px-2 text-muted-foreground outline-none hover:bg-accent hover:text-foreground focus-visible:ring-2 focus-visible:ring-ring aria-[current=page]:bg-accent aria-[current=page]:font-medium aria-[current=page]:text-foreground"
        >
          <Icon aria-hidden className="size-4" />
          {label}
        </Link>
      ))}
    </nav>
  );
}

function PaletteButton({ onClick }: { onClick: () => void }) {
  return (
    <Button variant="outline" size="sm" className="justify-start text-muted-foreground" onClick={onClick}>
      <Search aria-hidden />
      Go to…
      <Kbd className="ml-auto">{/Mac|iP/.test(navigator.userAgent) ? "⌘ K" : "Ctrl K"}</Kbd>
    </Button>
  );
}

const THEMES: Record<Theme, { icon: typeof Sun; next: Theme }> = {
  system: { icon: Monitor, next: "light" },
  light: { icon: Sun, next: "dark" },
  dark: { icon: Moon, next: "system" },
};

function Session() {
  const chosen = useStore(theme);
  const { icon: Icon, next } = THEMES[chosen];
  return (
    <div className="flex gap-1">
      <Button
        variant="ghost"
        size="icon"
        aria-label={`Colours: ${chosen}. Change to ${next}`}
        title={`Colours: ${chosen}`}
        onClick={() => theme.set(next)}
      >
        <Icon aria-hidden />
      </Button>
      <Button
        variant="ghost"
        size="icon"
        aria-label="Log out"
        title="Log out"
        onClick={() => session.set(null)}
      >
        <LogOut aria-hidden />
      </Button>
    </div>
  );
}

function Unreachable() {
  const answers = useStore(reachable);
  return (
    <div role="status">
      {!answers && (
        <p className="flex items-center gap-2 border-b border-warning/40 bg-warning/10 px-4 py-2 text-[0.8125rem]">
          <Unplug aria-hidden className="size-4 shrink-0 text-warning" />
          meterd does not answer. What is shown may be old; it is asked again every few seconds.
        </p>
      )}
    </div>
  );
}
