using Kotonoha.Rag.Stores;
using Kotonoha.Server.Keys;
using Microsoft.AspNetCore.Http;

namespace Kotonoha.Server.Http;

/// <summary>Who makes a request.</summary>
/// <param name="key">The key; null where there are none and everybody on this machine is served.</param>
internal sealed class Caller(ApiKey? key)
{
    public static Caller Anonymous { get; } = new(null);

    /// <summary>The name in queues, limits and logs.</summary>
    public string Id => key?.Id ?? "anonymous";

    /// <summary>The name for people.</summary>
    public string Name => key?.Name ?? "anonymous";

    public ApiKey? Key => key;

    /// <summary>Whether collections may be made and deleted, and metrics read.</summary>
    public bool IsAdministrator => key is null or { IsAdministrator: true };

    /// <summary>What the caller may see of a collection; null for all of it.</summary>
    public AccessScope? Scope => key?.Tenant is { } tenant ? new AccessScope(tenant, key.Groups) : null;

    public static Caller Of(HttpContext context) => context.Features.Get<Caller>() ?? Anonymous;

    public bool MayUseModel(string name) => key is null or { Models.Count: 0 } || key.Models.Contains(name);

    public bool MayUseCollection(string name) => key is null or { Collections.Count: 0 } || key.Collections.Contains(name);

    /// <exception cref="ApiException">The model is not for this caller, who is told no more than that it is not there.</exception>
    public void RequireModel(string name)
    {
        if (!MayUseModel(name))
            throw new ApiException(404, ApiErrorType.NotFound, "model_not_found",
                $"There is no model '{name}' here; GET /v1/models lists those that are.", "model");
    }
}
