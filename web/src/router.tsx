import {
  createRootRoute,
  createRoute,
  createRouter,
  Link,
  lazyRouteComponent,
  Outlet,
  redirect,
  retainSearchParams,
} from "@tanstack/react-router";
import { Layout } from "@/components/layout";
import { Page } from "@/components/page";
import { Failure } from "@/components/panel";
import { parseAppSearch, parseSearch, SHARED, stringifySearch, texts } from "@/lib/search";
import { session } from "@/lib/session";
import { isWindow, type Window } from "@/lib/time";
import { Login } from "@/pages/login";

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound });

const login = createRoute({
  getParentRoute: () => root,
  path: "/login",
  // Only a path of this site: a link must not lead elsewhere after the login.
  validateSearch: (search): { next?: string | undefined } => ({
    next: typeof search.next === "string" && /^\/(?![/\\])/.test(search.next) ? search.next : undefined,
  }),
  component: Login,
});

const app = createRoute({
  getParentRoute: () => root,
  id: "app",
  validateSearch: parseAppSearch,
  search: { middlewares: [retainSearchParams(SHARED)] },
  beforeLoad: ({ location }) => {
    if (session.get() === null) throw redirect({ to: "/login", search: { next: location.href } });
  },
  component: Layout,
});

/** How the trend is drawn. */
function parseTrendSearch(search: Record<string, unknown>): {
  window?: Window | undefined;
  compare?: "off" | undefined;
} {
  return {
    window: isWindow(search.window) ? search.window : undefined,
    compare: search.compare === "off" ? "off" : undefined,
  };
}

const dashboard = createRoute({
  getParentRoute: () => app,
  path: "/",
  validateSearch: (search) => ({ ...parseTrendSearch(search), ...texts(search, "by") }),
  component: lazyRouteComponent(() => import("@/pages/dashboard"), "Dashboard"),
});

const tenants = createRoute({
  getParentRoute: () => app,
  path: "/tenants",
  validateSearch: (search) => texts(search, "find", "sort", "by"),
  component: lazyRouteComponent(() => import("@/pages/tenants"), "Tenants"),
});

const tenant = createRoute({
  getParentRoute: () => app,
  path: "/tenants/$tenant",
  validateSearch: parseTrendSearch,
  component: lazyRouteComponent(() => import("@/pages/tenant"), "Tenant"),
});

const events = createRoute({
  getParentRoute: () => app,
  path: "/events",
  validateSearch: (search) => texts(search, "metadata", "columns", "open", "of"),
  component: lazyRouteComponent(() => import("@/pages/events"), "Events"),
});

const deadLetters = createRoute({
  getParentRoute: () => app,
  path: "/dead-letters",
  validateSearch: (search) => texts(search, "state", "letter"),
  component: lazyRouteComponent(() => import("@/pages/dead-letters"), "DeadLetters"),
});

const keys = createRoute({
  getParentRoute: () => app,
  path: "/keys",
  component: lazyRouteComponent(() => import("@/pages/keys"), "Keys"),
});

const start = createRoute({
  getParentRoute: () => app,
  path: "/start",
  component: lazyRouteComponent(() => import("@/pages/start"), "Start"),
});

export const router = createRouter({
  routeTree: root.addChildren([
    login,
    app.addChildren([dashboard, tenants, tenant, events, deadLetters, keys, start]),
  ]),
  parseSearch,
  stringifySearch,
  defaultPreload: "intent",
  scrollRestoration: true,
  defaultErrorComponent: ({ error, reset }) => (
    <Failure error={error instanceof Error ? error : new Error(String(error))} retry={reset} />
  ),
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

function NotFound() {
  return (
    <Page title="No such page">
      <p>
        <Link to="/" className="text-primary underline underline-offset-4">
          To the dashboard
        </Link>
      </p>
    </Page>
  );
}
