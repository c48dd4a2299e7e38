<?php
// What the methods of Platform.sh's configuration reader answer, for the evaluator: never run by PHP.
class PlatformshConfigReader
{
    private $relationships, $variables, $routes;

    public function __construct()
    {
        $this->relationships = $this->decoded('RELATIONSHIPS');
        $this->variables = $this->decoded('VARIABLES');
        $this->routes = $this->decoded('ROUTES');
        foreach ($this->routes as $url => $route) {
            $this->routes[$url]['url'] = $url;
        }
    }

    private function raw($name)
    {
        $value = getenv('PLATFORM_' . $name);
        return $value === false ? null : $value;
    }

    private function decoded($name)
    {
        $value = $this->raw($name);
        return $value ? json_decode(base64_decode($value), true) : [];
    }

    public function isValidPlatform()
    {
        return (bool) $this->raw('APPLICATION_NAME');
    }

    public function inBuild()
    {
        return $this->isValidPlatform() && !$this->raw('ENVIRONMENT');
    }

    public function inRuntime()
    {
        return $this->isValidPlatform() && (bool) $this->raw('ENVIRONMENT');
    }

    public function hasRelationship($name)
    {
        return isset($this->relationships[$name]);
    }

    public function credentials($name, $index = 0)
    {
        if (empty($this->relationships[$name][$index])) {
            throw new InvalidArgumentException($name);
        }
        return $this->relationships[$name][$index];
    }

    public function variable($name, $default = null)
    {
        return $this->variables[$name] ?? $default;
    }

    public function variables()
    {
        return $this->variables;
    }

    public function routes()
    {
        if (empty($this->routes)) {
            throw new InvalidArgumentException('routes');
        }
        return $this->routes;
    }

    public function getPrimaryRoute()
    {
        foreach ($this->routes() as $route) {
            if ($route['primary'] == true) {
                return $route;
            }
        }
        throw new InvalidArgumentException('primary');
    }

    public function getRoute($id)
    {
        foreach ($this->routes() as $route) {
            if ($route['id'] == $id) {
                return $route;
            }
        }
        throw new InvalidArgumentException($id);
    }

    public function onDedicated()
    {
        return $this->isValidPlatform() && $this->raw('MODE') == 'enterprise';
    }

    public function onEnterprise()
    {
        return $this->onDedicated();
    }

    public function onProduction()
    {
        return $this->inRuntime() && $this->raw('BRANCH') == ($this->onDedicated() ? 'production' : 'master');
    }
}
