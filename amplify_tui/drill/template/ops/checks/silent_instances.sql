-- Instances that answer, but not with a version: nobody could say what they run.
select id, service from instances where version is null or version = '';
