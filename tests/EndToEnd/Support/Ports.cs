using System.Net;
using System.Net.Sockets;

namespace Kotonoha.EndToEnd.Support;

/// <summary>Free loopback ports.</summary>
internal static class Ports
{
    /// <summary>So many different ports that nobody listens on.</summary>
    public static int[] Free(int count)
    {
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToArray();
        foreach (var listener in listeners)
            listener.Start();
        int[] ports = [.. listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port)];
        foreach (var listener in listeners)
            listener.Dispose();
        return ports;
    }
}
