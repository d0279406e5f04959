//! EC2 Auto Scaling, EC2 and SSM behind the ports `Groups` and `GroupWrites`.
