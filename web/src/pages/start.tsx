import { Page } from "@/components/page";
import { Card, CardContent, CardHeader, CardTitle } from "@/components/ui/card";
import { Snippets } from "@/features/start/snippets";
import { Waiting } from "@/features/start/waiting";

export function Start() {
  return (
    <Page title="Get started">
      <Card>
        <CardHeader>
          <CardTitle>1. Send an event</CardTitle>
        </CardHeader>
        <CardContent>
          <Snippets />
        </CardContent>
      </Card>
      <Card>
        <CardHeader>
          <CardTitle>2. See it arrive</CardTitle>
        </CardHeader>
        <CardContent>
          <Waiting />
        </CardContent>
      </Card>
    </Page>
  );
}
