//! What every path does alike: the same tests over native XDP, generic XDP and `io_uring`.

pub(crate) mod bed;
mod changes;
mod copies;
mod demux;
mod devices;
mod divert;
mod forward;
mod mixing;
mod quality;
mod rules;
mod strangers;
mod whispered;

/// Makes each function a test on every path: `name::native`, `name::generic`, `name::io_uring`.
macro_rules! on_every_path {
    ($($name:ident),+ $(,)?) => {
        mod privileged {
            $(mod $name {
                use undertone_dataplane::PathChoice;

                #[test]
                fn native() -> undertone_tests::Result<()> {
                    super::super::$name(PathChoice::Native)
                }

                #[test]
                fn generic() -> undertone_tests::Result<()> {
                    super::super::$name(PathChoice::Generic)
                }

                #[test]
                fn io_uring() -> undertone_tests::Result<()> {
                    super::super::$name(PathChoice::Sockets)
                }
            })+
        }
    };
}
pub(crate) use on_every_path;
