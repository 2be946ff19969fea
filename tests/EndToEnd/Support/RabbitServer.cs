using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;

namespace Kotonoha.EndToEnd.Support;

/// <summary>A RabbitMQ server of our own: Debian's, on free ports, with its node name, cookie and data in a folder of its own.</summary>
internal sealed class RabbitServer : IAsyncDisposable
{
    private const string Program = "/usr/lib/rabbitmq/bin/rabbitmq-server";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly Process _process;
    private readonly int _epmdPort;

    private RabbitServer(Process process, int port, int epmdPort)
    {
        (_process, _epmdPort) = (process, epmdPort);
        Address = new Uri($"amqp://guest:guest@127.0.0.1:{port}");
    }

    /// <summary>Why the tests that need it are skipped, or null where it is installed.</summary>
    public static string? Missing => File.Exists(Program)
        ? null
        : "there is no RabbitMQ server here; install it with: apt-get install --no-install-recommends rabbitmq-server";

    public Uri Address { get; }

    public static async Task<RabbitServer> StartAsync(string folder)
    {
        Directory.CreateDirectory(folder);
        int[] ports = Ports.Free(3);
        var configuration = Path.Combine(folder, "rabbitmq.conf");
        await File.WriteAllTextAsync(configuration, $"listeners.tcp.1 = 127.0.0.1:{ports[0]}\n");
        foreach (var empty in new[] { "plugins", "env.conf" })
            await File.WriteAllTextAsync(Path.Combine(folder, empty), "");
        var start = new ProcessStartInfo(Program)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder,
        };
        var environment = start.Environment;
        environment["HOME"] = folder;
        environment["RABBITMQ_NODENAME"] = $"kotonoha{ports[0].ToString(CultureInfo.InvariantCulture)}@localhost";
        environment["RABBITMQ_MNESIA_BASE"] = Path.Combine(folder, "data");
        environment["RABBITMQ_LOG_BASE"] = Path.Combine(folder, "log");
        environment["RABBITMQ_CONFIG_FILE"] = configuration;
        environment["RABBITMQ_CONF_ENV_FILE"] = Path.Combine(folder, "env.conf");
        environment["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(folder, "plugins");
        environment["RABBITMQ_DIST_PORT"] = ports[1].ToString(CultureInfo.InvariantCulture);
        environment["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = "-kernel inet_dist_use_interface {127,0,0,1}";
        environment["ERL_EPMD_PORT"] = ports[2].ToString(CultureInfo.InvariantCulture);
        environment["ERL_EPMD_ADDRESS"] = "127.0.0.1";
        var server = new RabbitServer(Process.Start(start)!, ports[0], ports[2]);
        server._process.OutputDataReceived += (_, _) => { };
        server._process.ErrorDataReceived += (_, _) => { };
        server._process.BeginOutputReadLine();
        server._process.BeginErrorReadLine();
        var watch = Stopwatch.StartNew();
        while (!await AcceptsAsync(ports[0]))
        {
            if (server._process.HasExited || watch.Elapsed > Patience)
            {
                await server.DisposeAsync();
                throw new InvalidOperationException($"The RabbitMQ server does not start; see the logs in '{folder}/log'.");
            }

            await Task.Delay(100);
        }

        return server;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
        // The port mapper that the server started is a process of its own.
        var start = new ProcessStartInfo("epmd", ["-kill"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["ERL_EPMD_PORT"] = _epmdPort.ToString(CultureInfo.InvariantCulture);
        using var mapper = Process.Start(start)!;
        await mapper.WaitForExitAsync();
    }

    private static async Task<bool> AcceptsAsync(int port)
    {
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync("127.0.0.1", port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
