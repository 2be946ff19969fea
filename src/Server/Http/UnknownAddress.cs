using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Template;
using Microsoft.Extensions.DependencyInjection;

namespace Kotonoha.Server.Http;

/// <summary>What a caller is told who calls what is not there.</summary>
internal static class UnknownAddress
{
    /// <summary>The refusal: 405 where the address is there for other methods, otherwise 404.</summary>
    public static ApiException Refuse(HttpContext context)
    {
        var (method, path) = (context.Request.Method, context.Request.Path);
        var methods = string.Join(", ", context.RequestServices.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(endpoint => endpoint != context.GetEndpoint() && Matches(endpoint, path))
            .SelectMany(endpoint => endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? [])
            .Distinct().Order(StringComparer.Ordinal));
        return methods.Length == 0
            ? new ApiException(404, ApiErrorType.NotFound, "not_found", $"There is nothing at {method} {path}.")
            : new ApiException(405, ApiErrorType.Invalid, "method_not_supported", $"{path} is not called by {method}, but by {methods}.")
            {
                Allow = methods,
            };
    }

    private static bool Matches(RouteEndpoint endpoint, PathString path)
        => new TemplateMatcher(new RouteTemplate(endpoint.RoutePattern), []).TryMatch(path, []);
}
