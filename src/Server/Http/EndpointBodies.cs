using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Kotonoha.Server.Http;

/// <summary>What is told of endpoints' bodies.</summary>
internal static class EndpointBodies
{
    /// <summary>Tells that an endpoint takes JSON; what a client calls it does not matter (curl calls it a form).</summary>
    public static RouteHandlerBuilder Takes<T>(this RouteHandlerBuilder endpoint)
        where T : notnull
        => endpoint.Accepts<T>("application/json", "*/*");

    /// <summary>Tells that an endpoint takes a file, of whatever type.</summary>
    public static RouteHandlerBuilder TakesFile(this RouteHandlerBuilder endpoint)
        => endpoint.Accepts<Stream>("application/octet-stream", "*/*");
}
