/** Trino's server, whose own main class is not among what Maven's repository has of it. */
public final class Serve {
    public static void main(String[] args) {
        new io.trino.server.Server().start(args[0]);
    }
}
