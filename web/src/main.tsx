import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { lazy, StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";
import { ApiProblem } from "@/api/client";
import { session } from "@/lib/session";
import { router } from "./router";
import "./index.css";

// Nothing has to be said before the first page shows.
const Toaster = lazy(() => import("@/components/ui/sonner"));

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // meterd may run on this machine: being offline does not mean that it is away.
      networkMode: "always",
      staleTime: 2_000,
      retry: (failures, error) => failures < 2 && error instanceof ApiProblem && error.status === 503,
    },
    mutations: { networkMode: "always" },
  },
});

// Another key sees other things; and without one there is only the login.
session.subscribe(() => {
  if (session.get() !== null) return queries.resetQueries();
  queries.clear();
  return router.invalidate();
});

const element = document.getElementById("root");
if (!element) throw new Error("index.html has no #root");
createRoot(element).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
      <Suspense>
        <Toaster />
      </Suspense>
    </QueryClientProvider>
  </StrictMode>,
);
