// Several servers with the same model behind one address (YARP): the one with the fewest requests takes the next, and one that has
// died is left out.
//
//   dotnet run -c Release --project samples/Replicas -- MODEL [URL] [COUNT]      starts COUNT replicas (2) and the proxy
//   dotnet run -c Release --project samples/Replicas -- proxy URL REPLICA …      the proxy alone, before servers that run elsewhere
using Kotonoha.Samples.Replicas;
using Microsoft.Extensions.Hosting;

switch (args)
{
    case ["proxy", var url, _, ..]:
        await using (var proxy = ReplicaProxy.Build(new Uri(url), [.. args.Skip(2).Select(replica => new Uri(replica))]))
            await proxy.RunAsync();
        return 0;
    case ["replica", var model, var home]:
        await Replica.ServeAsync(model, home);
        return 0;
    case [var model, ..] when args.Length <= 3 && Directory.Exists(model):
        int count = args.Length > 2 ? int.Parse(args[2], System.Globalization.CultureInfo.InvariantCulture) : 2;
        await RunAsync(model, new Uri(args.Length > 1 ? args[1] : "http://127.0.0.1:7860"), count);
        return 0;
    default:
        Console.Error.WriteLine("MODEL [URL] [COUNT], with a folder of a model; or: proxy URL REPLICA …");
        return 2;
}

static async Task RunAsync(string model, Uri url, int count)
{
    var home = Directory.CreateTempSubdirectory("kotonoha-replicas-").FullName;
    var replicas = new List<Replica>();
    try
    {
        for (int i = 1; i <= count; i++)
        {
            var replica = await Replica.StartAsync(model, Path.Combine(home, $"replica-{i}"));
            replicas.Add(replica);
            Console.WriteLine($"replica {i}: {replica.Address} (process {replica.ProcessId})");
        }

        await using var proxy = ReplicaProxy.Build(url, [.. replicas.Select(replica => replica.Address)]);
        await proxy.StartAsync();
        Console.WriteLine($"proxy: {proxy.Urls.First()}");
        await proxy.WaitForShutdownAsync();
    }
    finally
    {
        foreach (var replica in replicas)
            replica.Dispose();
        Directory.Delete(home, recursive: true);
    }
}
