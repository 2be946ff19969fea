using System.Diagnostics;
using Kotonoha.Server;

namespace Kotonoha.Samples.Replicas;

/// <summary>A server in a process of its own; it ends when this one does, as its input ends then.</summary>
internal sealed class Replica : IDisposable
{
    // What else is printed is the log.
    private const string AddressLine = "replica at ";

    private readonly Process _process;

    private Replica(Process process, Uri address) => (_process, Address) = (process, address);

    public Uri Address { get; }

    public int ProcessId => _process.Id;

    public static async Task<Replica> StartAsync(string model, string home)
    {
        var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!)
        {
            ArgumentList = { typeof(Replica).Assembly.Location, "replica", model, home },
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        while (await process.StandardOutput.ReadLineAsync() is { } line)
            if (line.StartsWith(AddressLine, StringComparison.Ordinal))
            {
                // Nobody reads on, but it must be able to go on writing.
                _ = process.StandardOutput.BaseStream.CopyToAsync(Stream.Null);
                return new Replica(process, new Uri(line[AddressLine.Length..]));
            }

        throw new InvalidOperationException("The replica did not start.");
    }

    /// <summary>What the process of a replica does: as <c>kotonoha serve</c>, on a free port.</summary>
    public static async Task ServeAsync(string model, string home)
    {
        await using var server = KotonohaServer.Build(new ServerOptions
        {
            Home = home,
            Url = new Uri("http://127.0.0.1:0"),
            Models = new Dictionary<string, string> { [Path.GetFileName(Path.TrimEndingDirectorySeparator(model))] = model },
        });
        await server.StartAsync();
        Console.WriteLine(AddressLine + server.Urls.First());
        await Console.In.ReadToEndAsync();
        await server.StopAsync();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.StandardInput.Close();
            _process.WaitForExit();
        }

        _process.Dispose();
    }
}
