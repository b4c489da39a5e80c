import { useState } from "react";
import { Page } from "@/components/page";
import { Card, CardContent, CardHeader, CardTitle } from "@/components/ui/card";
import { FirstKey } from "@/features/start/first-key";
import { Snippets } from "@/features/start/snippets";
import { Waiting } from "@/features/start/waiting";

const STEP = "text-muted-foreground mr-1 tabular-nums";

export function Start() {
  const [secret, setSecret] = useState<string>();
  return (
    <Page title="Get started">
      <Card aria-label="Make a key">
        <CardHeader>
          <CardTitle>
            <span className={STEP}>1</span> Make a key that may send events
          </CardTitle>
        </CardHeader>
        <CardContent>
          <FirstKey onSecret={setSecret} />
        </CardContent>
      </Card>
      <Card aria-label="Send an event">
        <CardHeader>
          <CardTitle>
            <span className={STEP}>2</span> Send an event
          </CardTitle>
        </CardHeader>
        <CardContent>
          <Snippets secret={secret} />
        </CardContent>
      </Card>
      <Card aria-label="See it arrive">
        <CardHeader>
          <CardTitle>
            <span className={STEP}>3</span> See it arrive
          </CardTitle>
        </CardHeader>
        <CardContent>
          <Waiting />
        </CardContent>
      </Card>
    </Page>
  );
}
