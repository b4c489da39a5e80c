-- Why the last attempt to deliver an alert failed, for whoever looks after the receiver.
alter table alert add column last_error text;
